/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cella-builtin-table FOLDER [LIBRARY...]
 *
 * Prints the table of all builtin functions as JSON: an object of library to list of functions as builtins/describe.h says;
 * the library of this build's own functions has the name "". A tool of the build: the client's table and the documentation
 * are made from what it prints.
 */

#include <fcntl.h>
#include <stdio.h>

#include "builtins/describe.h"
#include "builtins/library.h"

/* Print the functions from number *index on, up to the end of the registry as it is now. */
static cella_status print_functions(const struct cella_builtin_registry *registry, size_t *index)
{
    const struct cella_builtin *builtin;
    for (const char *before = ""; (builtin = cella_builtin_at(registry, *index)) != NULL; before = ",") {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
        CELLA_TRY(cella_builtin_describe(builtin, &text));
        printf("%s\n%.*s", before, (int) text.size, (const char *) text.data);
        (*index)++;
    }
    return CELLA_OK;
}

int main(int argc, char **argv)
{
    struct cella_builtin_registry registry = { .module_count = 0 };
    size_t index = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: cella-builtin-table FOLDER [LIBRARY...]\n");
        return 2;
    }
    int folder = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
    printf("{\"\": [");
    cella_status status = print_functions(&registry, &index);
    for (int i = 2; i < argc && status == CELLA_OK; i++) {
        char error[256];
        status = cella_builtin_load(&registry, folder, argv[i], error);
        if (status != CELLA_OK) {
            fprintf(stderr, "cella-builtin-table: %s\n", error);
            break;
        }
        printf("],\n\"%s\": [", argv[i]);
        status = print_functions(&registry, &index);
    }
    printf("]}\n");
    return status == CELLA_OK && fflush(stdout) == 0 ? 0 : 1;
}

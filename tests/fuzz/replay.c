/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs a fuzz target over the files and folders named as arguments, without libFuzzer: the corpus as a unit test.
 * Fails when there was no input, so that a wrong path is not a passed test.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    /* Exactly as large as the input, so that a sanitizer sees a read past its end. */
    uint8_t *data = malloc(size == 0 ? 1 : size);
    int failed = file == NULL || data == NULL || fread(data, 1, size, file) != size;
    if (failed) {
        (void) fprintf(stderr, "can not read %s\n", path);
    } else {
        (void) LLVMFuzzerTestOneInput(data, size);
    }
    if (file != NULL) {
        (void) fclose(file);
    }
    free(data);
    return failed;
}

/* Replay a file, or every file below a folder. */
static int replay(const char *path, size_t *count)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        (void) fprintf(stderr, "no file or folder %s\n", path);
        return 1;
    }
    if (!S_ISDIR(status.st_mode)) {
        (*count)++;
        return replay_file(path, (size_t) status.st_size);
    }
    DIR *folder = opendir(path);
    int failed = folder == NULL;
    for (const struct dirent *entry = failed ? NULL : readdir(folder); entry != NULL; entry = readdir(folder)) {
        char name[4096];
        int length = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.') {
            failed |= length < 0 || (size_t) length >= sizeof(name) || replay(name, count);
        }
    }
    if (folder != NULL) {
        (void) closedir(folder);
    }
    return failed;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        failed |= replay(argv[i], &count);
    }
    (void) printf("%s: %zu inputs\n", argv[0], count);
    return failed != 0 || count == 0 ? 1 : 0;
}

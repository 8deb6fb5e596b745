/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool has_new_names(const struct cella_builtin_registry *registry, const struct cella_builtin_module *module,
                          char error[256])
{
    for (size_t i = 0; module->all[i] != NULL; i++) {
        if (cella_builtin_find(registry, cella_view_of_string(module->all[i]->name)) != NULL) {
            (void) snprintf(error, 256, "there is a builtin %s already", module->all[i]->name);
            return false;
        }
    }
    return true;
}

/* By a relative path: who may read the file may not be allowed to walk down to it. */
static void *open_library(int folder, const char *name)
{
    char path[256];
    int size = snprintf(path, sizeof(path), "./%s", name);
    void *library = NULL;
    if (size > 0 && (size_t) size < sizeof(path) && strchr(name, '/') == NULL && fchdir(folder) == 0) {
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    return chdir("/") == 0 ? library : NULL;
}

cella_status cella_builtin_load(struct cella_builtin_registry *registry, int folder, const char *name, char error[256])
{
    void *library = open_library(folder, name);
    if (library == NULL) {
        const char *reason = dlerror();
        (void) snprintf(error, 256, "%.100s: %.140s", name, reason == NULL ? "there is no such library" : reason);
        return CELLA_NO_PROFILE;
    }
    const struct cella_builtin_module *module = dlsym(library, "cella_builtin_module");
    if (module == NULL || module->description_size != sizeof(struct cella_builtin) ||
        registry->module_count == CELLA_BUILTIN_MODULES_MAX) {
        (void) snprintf(error, 256, "%.100s has no builtins of this build", name);
        return CELLA_NO_PROFILE;
    }
    if (!has_new_names(registry, module, error)) {
        return CELLA_NO_PROFILE;
    }
    registry->modules[registry->module_count++] = module;
    return CELLA_OK;
}

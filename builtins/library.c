/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/library.h"

#include <dlfcn.h>
#include <stdio.h>

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

cella_status cella_builtin_load(struct cella_builtin_registry *registry, const char *path, char error[256])
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void) snprintf(error, 256, "%s", dlerror());
        return CELLA_NO_PROFILE;
    }
    const struct cella_builtin_module *module = dlsym(library, "cella_builtin_module");
    if (module == NULL || module->description_size != sizeof(struct cella_builtin) ||
        registry->module_count == CELLA_BUILTIN_MODULES_MAX) {
        (void) snprintf(error, 256, "%.200s has no builtins of this build", path);
        return CELLA_NO_PROFILE;
    }
    if (!has_new_names(registry, module, error)) {
        return CELLA_NO_PROFILE;
    }
    registry->modules[registry->module_count++] = module;
    return CELLA_OK;
}

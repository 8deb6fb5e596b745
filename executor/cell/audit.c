/* SPDX-License-Identifier: Apache-2.0 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cell/audit.h"

#include "cell/cell.h"

#define NO_FILES "a function can not reach files; use its declared inputs and outputs"
#define NO_NETWORK "a function has no network"
#define NO_PROGRAMS "a function can not start programs or processes"
#define NO_SIGNALS "a function can not signal processes"
#define NO_NATIVE "a function can not call native code"

/* Names of audit events; a name that ends in a dot stands for all that begin with it. */
static const struct {
    const char *event;
    const char *reason;
} refused[] = {
    { "open", NO_FILES },
    { "os.system", NO_PROGRAMS },
    { "os.exec", NO_PROGRAMS },
    { "os.fork", NO_PROGRAMS },
    { "os.forkpty", NO_PROGRAMS },
    { "os.posix_spawn", NO_PROGRAMS },
    { "os.spawn", NO_PROGRAMS },
    { "pty.spawn", NO_PROGRAMS },
    { "subprocess.Popen", NO_PROGRAMS },
    { "os.kill", NO_SIGNALS },
    { "os.killpg", NO_SIGNALS },
    { "signal.pthread_kill", NO_SIGNALS },
    { "socket.", NO_NETWORK },
    { "ctypes.", NO_NATIVE },
    { "os.listdir", NO_FILES },
    { "os.scandir", NO_FILES },
    { "os.chdir", NO_FILES },
    { "os.chmod", NO_FILES },
    { "os.chown", NO_FILES },
    { "os.link", NO_FILES },
    { "os.mkdir", NO_FILES },
    { "os.remove", NO_FILES },
    { "os.rename", NO_FILES },
    { "os.rmdir", NO_FILES },
    { "os.symlink", NO_FILES },
    { "os.truncate", NO_FILES },
    { "os.utime", NO_FILES },
    { "glob.glob", NO_FILES },
    { "shutil.", NO_FILES },
    { "tempfile.", NO_FILES },
    { "sqlite3.enable_load_extension", NO_NATIVE },
};

static int matches(const char *event, const char *pattern)
{
    size_t size = strlen(pattern);
    return pattern[size - 1] == '.' ? strncmp(event, pattern, size) == 0 : strcmp(event, pattern) == 0;
}

static int hook(const char *event, PyObject *arguments, void *context)
{
    const struct cella_cell *cell = context;
    if (!cell->guarded) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (event[0] != refused[i].event[0] || !matches(event, refused[i].event)) {
            continue;
        }
        PyObject *first = PyTuple_Check(arguments) && PyTuple_GET_SIZE(arguments) > 0 ? PyTuple_GET_ITEM(arguments, 0)
                                                                                     : NULL;
        if (first != NULL && PyUnicode_Check(first)) {
            PyErr_Format(PyExc_PermissionError, "%s: %s(%R)", refused[i].reason, event, first);
        } else {
            PyErr_Format(PyExc_PermissionError, "%s: %s", refused[i].reason, event);
        }
        return -1;
    }
    return 0;
}

int cella_audit_add(struct cella_cell *cell)
{
    return PySys_AddAuditHook(hook, cell);
}

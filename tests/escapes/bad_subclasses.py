# SPDX-License-Identifier: Apache-2.0
# Tries: to find os.system by walking all classes there are
# Must: SCRIPT_FAILED: can not start programs
def main():
    for kind in object.__subclasses__():
        space = getattr(kind.__init__, "__globals__", {})
        if "system" in space and "popen" in space:
            return space["system"]("id")
    raise LookupError("no class leads to os")

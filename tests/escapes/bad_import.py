# SPDX-License-Identifier: Apache-2.0
# Tries: to replace the import statement
# Must: SCRIPT_FAILED | DONE
import builtins, sys
def main():
    builtins.__import__ = None
    sys.meta_path.insert(0, object())
    sys.path_hooks.append(1)
    import json

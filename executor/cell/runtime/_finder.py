# SPDX-License-Identifier: Apache-2.0
"""Import from memory: the runtime package, the tail of the standard library, and nothing else in the end.

This file is run before anything can be imported, so it uses built-in and frozen modules only. Two stages: while a
profile is loaded, the interpreter's own path finder stands behind; afterwards this finder is alone, and a miss says
what is missing and where it is.
"""

import sys

import _frozen_importlib

# What no function has, and why. Packages that merely mention one of them go on without, or find a stand-in below.
_ABSENT = {
    "_ctypes": "native", "ctypes": "native", "_cffi_backend": "native", "cffi": "native", "mmap": "native",
    "_posixsubprocess": "programs", "_multiprocessing": "programs", "_posixshmem": "programs",
    "multiprocessing": "programs", "pty": "programs",
    "_socket": "network", "_ssl": "network", "ssl": "network", "asyncio": "network", "_asyncio": "network",
    "resource": "native", "readline": "terminal", "termios": "terminal", "curses": "terminal", "_curses": "terminal",
    "tkinter": "terminal", "_tkinter": "terminal", "faulthandler": "native", "syslog": "files", "spwd": "files",
}
_REASONS = {
    "native": "functions can not call native code",
    "programs": "functions can not start programs or processes",
    "network": "functions have no network",
    "terminal": "functions have no terminal",
    "files": "functions can not reach files",
}
# Modules that ordinary packages import without using them: there, but everything in them refuses.
_STAND_INS = {"socket": "network", "subprocess": "programs"}


class _Refusing(type):
    """Class of classes that can be named, subclassed and caught, but not made."""

    def __call__(cls, *args, **kwargs):
        raise PermissionError(f"{cls.__module__}.{cls.__name__} is not available: {_REASONS[_STAND_INS[cls.__module__]]}")


def _stand_in(module):
    """Fill a stand-in: names look like classes that refuse, errors are OSError, constants are 0."""
    name = module.__name__

    def get(attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if attribute.isupper():
            return 0
        if attribute in ("error", "timeout", "gaierror", "herror", "SubprocessError"):
            return OSError
        value = _Refusing(attribute, (), {"__module__": name})
        setattr(module, attribute, value)
        return value

    module.__getattr__ = get


class MemoryFinder:
    """Finder and loader over code held in memory: name -> (is package, code maker)."""

    def __init__(self):
        self.modules = {}
        self.profile = ""
        self.elsewhere = {}
        self.last = False  # whether a miss here is a miss for good

    def add(self, name, is_package, make_code):
        """Offer a module. ``make_code`` is called at its first import."""
        self.modules[name] = (is_package, make_code)

    def find_spec(self, name, path=None, target=None):
        """Return the module's spec; refuse what no function has."""
        top = name.partition(".")[0]
        if top in _ABSENT:
            raise ModuleNotFoundError(f"module {name!r} is not available: {_REASONS[_ABSENT[top]]}", name=name)
        if name in _STAND_INS:
            return _frozen_importlib.ModuleSpec(name, self, origin="stand-in")
        if name in self.modules:
            return _frozen_importlib.ModuleSpec(name, self, origin="memory", is_package=self.modules[name][0])
        if self.last:
            raise ModuleNotFoundError(self._miss(name, top), name=name)
        return None

    def create_module(self, spec):
        """Have the ordinary module object made."""
        return None

    def exec_module(self, module):
        """Run a module's code."""
        name = module.__spec__.name
        if name in _STAND_INS:
            _stand_in(module)
        else:
            exec(self.modules[name][1](), module.__dict__)

    def is_package(self, name):
        """Part of the loader protocol."""
        return self.modules[name][0]

    def get_code(self, name):
        """Part of the loader protocol."""
        return self.modules[name][1]()

    def get_source(self, name):
        """Part of the loader protocol: sources are not kept."""
        return None

    def _miss(self, name, top):
        where = self.elsewhere.get(top)
        hint = f"; profile {where!r} has it" if where else ""
        return f"module {name!r} is not available to functions in profile {self.profile!r}{hint}"

    def close(self):
        """Be the only finder, besides built-in and frozen modules."""
        self.last = True
        sys.meta_path[:] = [_AbsentGuard(self), _frozen_importlib.BuiltinImporter, _frozen_importlib.FrozenImporter,
                            self]
        sys.path[:] = []
        sys.path_hooks[:] = []
        sys.path_importer_cache.clear()


class _AbsentGuard:
    """Refuses before a built-in or frozen module of that name is looked for."""

    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, path=None, target=None):
        """Return None, or refuse."""
        if name.partition(".")[0] in _ABSENT:
            self._finder.find_spec(name)
        return None


def install(sources):
    """Offer the runtime package's sources as package ``cella``, ahead of every other finder."""
    finder = MemoryFinder()
    for name, text in sources.items():
        full = "cella" if name == "__init__" else f"cella.{name}"

        def make(text=text, full=full):
            return compile(text, f"<{full}>", "exec", dont_inherit=True)

        finder.add(full, name == "__init__", make)
    sys.meta_path.insert(0, finder)
    sys.modules["_cella_finder"].finder = finder

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
# Modules that ordinary scripts and packages import without using them: there, but everything in them refuses.
_STAND_INS = {"socket": "network", "subprocess": "programs"}
# The same, only in profiles that ask for them: scipy, pandas and joblib name things of theirs and do without.
_STAND_INS_ASKED_FOR = {"ctypes": "native", "mmap": "native", "multiprocessing": "programs"}


class _Refusing(type):
    """Class of classes that can be named, subclassed and caught, but not made."""

    def __call__(cls, *args, **kwargs):
        reason = _REASONS[(_STAND_INS | _STAND_INS_ASKED_FOR)[cls.__module__]]
        raise PermissionError(f"{cls.__module__}.{cls.__name__} is not available: {reason}")


def _stand_in(module):
    """Fill a stand-in: names look like classes that refuse, errors are OSError, constants are 0."""
    name = module.__name__

    def get(attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if attribute.isupper() and name != "ctypes":
            return 0
        if attribute.endswith("Error") or attribute in ("error", "timeout", "gaierror", "herror", "TimeoutExpired"):
            return OSError
        value = _Refusing(attribute, (), {"__module__": name})
        setattr(module, attribute, value)
        return value

    def function_type(*types):
        return type("CFunctionType", (get("_CFuncPtr"),), {})

    module.__getattr__ = get
    if name == "ctypes":
        # scipy declares callbacks with these while it is imported, and looks for the types' base class.
        module.CFUNCTYPE = module.POINTER = module.cast = function_type


class MemoryFinder:
    """Finder and loader over code held in memory: name -> (is package, code maker)."""

    def __init__(self):
        self.sources = {}  # of the runtime package, by file name
        self.modules = {}
        self.files = {}  # package -> name -> packed content
        self.packages = frozenset()  # what may be loaded besides the standard library: what is measured
        self.stand_ins = dict(_STAND_INS)
        self.profile = ""
        self.elsewhere = {}
        self.last = False  # whether a miss here is a miss for good

    def add(self, name, is_package, make_code):
        """Offer a module. ``make_code`` is called at its first import."""
        self.modules[name] = (is_package, make_code)

    def add_file(self, package, name, packed):
        """Offer a package's data file, zlib-compressed."""
        self.files.setdefault(package, {})[name] = packed

    def find_spec(self, name, path=None, target=None):
        """Return the module's spec; refuse what no function has."""
        top = name.partition(".")[0]
        if name in self.stand_ins:
            return _frozen_importlib.ModuleSpec(name, self, origin="stand-in")
        if top in _ABSENT:
            raise ModuleNotFoundError(f"module {name!r} is not available: {_REASONS[_ABSENT[top]]}", name=name)
        if name in self.modules:
            return _frozen_importlib.ModuleSpec(name, self, origin="memory", is_package=self.modules[name][0])
        if self.last or not self._may_load(top):
            raise ModuleNotFoundError(self._miss(name, top), name=name)
        return None

    def _may_load(self, top):
        return top in self.packages or top in sys.stdlib_module_names or top.startswith("_sysconfigdata")

    def create_module(self, spec):
        """Have the ordinary module object made."""
        return None

    def exec_module(self, module):
        """Run a module's code."""
        name = module.__spec__.name
        if name in self.stand_ins:
            _stand_in(module)
        else:
            code = self.modules[name][1]()
            module.__file__ = code.co_filename  # some look at it; there is nothing to open
            exec(code, module.__dict__)

    def is_package(self, name):
        """Part of the loader protocol."""
        return self.modules[name][0]

    def get_code(self, name):
        """Part of the loader protocol."""
        return self.modules[name][1]()

    def get_source(self, name):
        """Part of the loader protocol: sources are not kept."""
        return None

    def get_resource_reader(self, name):
        """Part of the loader protocol: data files of packages, for importlib.resources."""
        if name not in self.files:
            return None
        from cella import _resources

        return _resources.Reader(name, self.files[name])

    def offer_own(self, name):
        """Offer the runtime's stand-in for a package: its file _name."""
        self.add(name, False, _compiler(self.sources, f"_{name}"))

    def check_stand_ins(self, names):
        """Refuse what there is no stand-in for."""
        for name in names:
            if name not in _STAND_INS_ASKED_FOR:
                raise ValueError(f"stand_ins: {name!r} is not one of {', '.join(_STAND_INS_ASKED_FOR)}")

    def pretend(self, names):
        """Have stand-ins for these modules too, from now on."""
        self.stand_ins.update((name, _STAND_INS_ASKED_FOR[name]) for name in names)

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
        """Return None, or what the finder says."""
        return self._finder.find_spec(name) if name.partition(".")[0] in _ABSENT else None


def _compiler(sources, name):
    def make():
        return compile(sources[name], "<cella>" if name == "__init__" else f"<cella.{name}>", "exec", dont_inherit=True)

    return make


def install(sources):
    """Offer the runtime package's sources as package ``cella``, ahead of every other finder."""
    finder = MemoryFinder()
    finder.sources = sources
    for name in sources:
        finder.add("cella" if name == "__init__" else f"cella.{name}", name == "__init__", _compiler(sources, name))
    sys.meta_path.insert(0, finder)
    sys.modules["_cella_finder"].finder = finder

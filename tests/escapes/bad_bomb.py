# SPDX-License-Identifier: Apache-2.0
# Tries: compressed data that grow a thousandfold
# Must: LIMIT_MEMORY: 67108864
# Limits: memory_bytes=67108864
import bz2, io, lzma, zipfile, zlib
def main():
    press = zlib.compressobj(9)
    bomb = b"".join(press.compress(bytes(1 << 20)) for _ in range(200)) + press.flush()
    assert len(bomb) < 1 << 20
    return len(zlib.decompress(bomb))

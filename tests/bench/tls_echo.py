# SPDX-License-Identifier: Apache-2.0
"""A TLS 1.3 echo server: tls_echo.py CERTIFICATE KEY READY_FD. Writes its port to the descriptor."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def serve(certificate: str, key: str, ready: int) -> None:
    """Listen on a free loopback port for ever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context, backlog=256)
    os.write(ready, f"{server.sockets[0].getsockname()[1]}\n".encode())
    os.close(ready)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))

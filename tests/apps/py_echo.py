"""
HTTP/1.1 by asyncio, as strict as its clients need: what comes in the body goes back, in the way that
the query asks for. Each answer says who has answered, and what its socket says of itself.

    /echo?as=length|chunked|none&ms=MS     after that many milliseconds
    /id                                    says who has answered in the body
"""

import asyncio
import os
import socket
import sys
import urllib.parse


async def read_body(reader, writer, fields):
    if fields.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if fields.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(fields.get("content-length", 0)))
    body = b""
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if not size:
            return body


def described(writer):
    """As the app of a connection of TCP may ask."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return "%s %s %s %s %s" % (
        sock.getsockname(), sock.getpeername(), sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE),
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN),
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL),
    )


async def answer(writer, method, query, body, keep):
    how = query.get("as", "length")
    fields = b"X-Pid: %d\r\nX-Socket: %s\r\n" % (os.getpid(), described(writer).encode())
    if not keep:
        fields += b"Connection: close\r\n"
    if how == "none":
        writer.write(b"HTTP/1.1 204 No Content\r\n%s\r\n" % fields)
    elif how == "chunked":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%s\r\n" % fields)
        for at in range(0, len(body), 10000) if method != b"HEAD" else ():
            piece = body[at : at + 10000]
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            if at % 100000 == 0:
                await asyncio.sleep(0.001)
        if method != b"HEAD":
            writer.write(b"0\r\n\r\n")
    else:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n" % (len(body), fields))
        if method != b"HEAD":
            writer.write(body)
    await writer.drain()


async def serve(reader, writer):
    try:
        keep = True
        while keep:
            lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
            method, target, _ = lines[0].split(b" ")
            fields = dict(f.decode().lower().split(": ", 1) for f in lines[1:])
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target.decode()).query))
            keep = fields.get("connection") != "close"
            if fields.get("upgrade"):
                writer.write(b"HTTP/1.1 101 Switching\r\nX-Pid: %d\r\n\r\n" % os.getpid())
                while True:
                    writer.write(await reader.readexactly(1))
            body = await read_body(reader, writer, fields)
            if target.startswith(b"/id"):
                body = b"pid=%d\n" % os.getpid()
            await asyncio.sleep(int(query.get("ms", 0)) / 1000)
            await answer(writer, method, query, body, keep)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), limit=1 << 21)
    await server.serve_forever()


asyncio.run(main())

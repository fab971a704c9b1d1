"""asyncio streams: one thread, an event loop."""

import asyncio
import os
import signal
import sys
import urllib.parse


async def answer(head):
    url = urllib.parse.urlsplit(head.split()[1].decode())
    query = dict(urllib.parse.parse_qsl(url.query))
    if url.path == "/crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if url.path == "/slow":
        await asyncio.sleep(int(query["ms"]) / 1000)
    if url.path == "/env":
        return "".join("%s=%s\n" % e for e in os.environ.items() if e[0].startswith("BROKER_"))
    return "pid=%d id=%s\n" % (os.getpid(), query.get("id", "none"))


async def serve(reader, writer):
    try:
        keep = True
        while keep:
            head = await reader.readuntil(b"\r\n\r\n")
            keep = b"connection: close" not in head.lower()
            body = (await answer(head)).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n"
                % (len(body), b"" if keep else b"Connection: close\r\n")
                + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())

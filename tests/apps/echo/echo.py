"""
/echo of checked.py, for WSGI and for ASGI servers. As a program, by aiohttp or by http.server with a
thread for each connection: echo.py aiohttp|threads PORT
"""

import http.server
import sys
from urllib.parse import parse_qs


def wsgi(env, start):
    how = parse_qs(env["QUERY_STRING"])["as"][0]
    body = env["wsgi.input"].read()
    if how == "none":
        start("204 No Content", [])
        return []
    fields = [("Content-Type", "application/octet-stream")]
    start("200 OK", fields + ([("Content-Length", str(len(body)))] if how == "length" else []))
    return [body[at : at + 30000] for at in range(0, len(body), 30000)]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    how, body, more = parse_qs(scope["query_string"].decode())["as"][0], b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body")
    fields = [(b"content-type", b"application/octet-stream")]
    fields += [(b"content-length", b"%d" % len(body))] if how == "length" else []
    await send({"type": "http.response.start", "status": 204 if how == "none" else 200,
                "headers": [] if how == "none" else fields})
    for at in range(0, len(body) if how != "none" else 0, 30000):
        await send({"type": "http.response.body", "body": body[at : at + 30000], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def aio(request):
    from aiohttp import web

    how, body = request.query["as"], await request.read()
    if how == "none":
        return web.Response(status=204)
    if how == "length" or request.method == "HEAD":
        return web.Response(body=body)
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    for at in range(0, len(body), 30000):
        await response.write(body[at : at + 30000])
    return response


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        how, body = self.path.split("as=")[1], self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(204 if how == "none" else 200)
        if how == "length":
            self.send_header("Content-Length", str(len(body)))
        elif how == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        self.end_headers()
        if how != "none" and self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_):
        pass


def run_aiohttp(port):
    from aiohttp import web

    app = web.Application(client_max_size=2 << 20)
    app.router.add_route("*", "/echo", aio)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    if sys.argv[1] == "aiohttp":
        run_aiohttp(int(sys.argv[2]))
    else:
        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()

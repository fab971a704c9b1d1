"""Python servers and frameworks: those of Debian's python3."""

from asking import Talk
from row import Row

from .node import WEBSOCKET

PYTHON = "/usr/bin/python3 -B"
# WSGI: what all WSGI servers serve; ASGI likewise.
WSGI = """
import os
from urllib.parse import parse_qs
def app(env, start):
    body = ("pid=%d id=%s\\n" % (os.getpid(), parse_qs(env["QUERY_STRING"]).get("id", ["none"])[0])).encode()
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
ASGI = """
import os
from urllib.parse import parse_qs
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    query = parse_qs(scope["query_string"].decode())
    body = ("pid=%d id=%s\\n" % (os.getpid(), query.get("id", ["none"])[0])).encode()
    head = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})
"""


def ours(name, about, script, **more):
    """Our own servers, see py_handler.py."""
    return Row(
        name, about, apt="python3", command=PYTHON + " {here}/%s {port}" % script, load=True, env=True,
        broken=PYTHON + " {here}/missing.py", **more,
    )


def script(name, apt, about, text, **more):
    """A program that listens on {port}."""
    more.setdefault("load", "ask" not in more)
    return Row(name, about, apt=apt + " python3", command=PYTHON + " {dir}/app.py", files={"app.py": text}, **more)


def wsgi(name, apt, about, command, **more):
    return Row(name, about, apt=apt, command=command, files={"wsgiapp.py": WSGI}, load=True, **more)


def asgi(name, apt, about, command, **more):
    return Row(name, about, apt=apt, command=command, files={"asgiapp.py": ASGI}, load=True, **more)


GUNICORN = "gunicorn --chdir {dir} -b 127.0.0.1:{port} --log-level warning --graceful-timeout 5 -w 2 -k %s wsgiapp:app"

ROWS = [
    ours("http.server", "`poll`, blocking `accept4`; one connection at a time", "py_http.py"),
    ours("ThreadingHTTPServer", "a thread for each connection", "py_threading.py", keepalive=True),
    ours("ForkingMixIn", "a process for each connection", "py_forking.py", keepalive=True),
    ours("asyncio", "epoll, `accept4` until EAGAIN", "py_asyncio.py", keepalive=True),
    wsgi("gunicorn, sync", "gunicorn", "two pre-forked processes. It listens before it loads the app, so a new version is proven by its first connection. Reload with the broker's HUP, not its own", GUNICORN % "sync", processes=2),
    wsgi("gunicorn, gthread", "gunicorn", "the same", GUNICORN % "gthread", processes=2, keepalive=True),
    wsgi("gunicorn, gevent", "gunicorn python3-gevent", "the same", GUNICORN % "gevent", processes=2, keepalive=True),
    wsgi("gunicorn, eventlet", "gunicorn python3-eventlet", "the same", GUNICORN % "eventlet", processes=2, keepalive=True),
    wsgi("uWSGI", "uwsgi-core uwsgi-plugin-python3", "pre-forked; `die-on-term`. It listens before it loads the app, so a new version is proven by its first connection",
         "uwsgi_python3 --http-socket 127.0.0.1:{port} --chdir {dir} --wsgi-file wsgiapp.py --callable app --master"
         " --processes 2 --die-on-term --need-app --disable-logging", processes=2),
    wsgi("Waitress", "python3-waitress", "poll and threads",
         PYTHON + " -m waitress --listen=127.0.0.1:{port} --threads=4 wsgiapp:app", keepalive=True),
    asgi("Uvicorn", "uvicorn", "asyncio", "uvicorn --app-dir {dir} --host 127.0.0.1 --port {port} --log-level warning asgiapp:app", keepalive=True),
    asgi("Uvicorn, --workers", "uvicorn", "the parent binds, spawned processes listen",
         "uvicorn --app-dir {dir} --host 127.0.0.1 --port {port} --log-level warning --workers 2 asgiapp:app",
         keepalive=True, processes=2, same_fds=False, broken="uvicorn --no-such-option"),
    asgi("Uvicorn, --reload", "uvicorn", "for development: one process binds, another listens, and is replaced when a file changes",
         "uvicorn --app-dir {dir} --host 127.0.0.1 --port {port} --log-level warning --reload --reload-dir {here}/rows asgiapp:app",
         keepalive=True, broken="uvicorn --no-such-option"),
    asgi("Hypercorn", "python3-hypercorn", "asyncio", PYTHON + " -m hypercorn -b 127.0.0.1:{port} asgiapp:app"),
    script("wsgiref", "python3", "", WSGI + """
from wsgiref.simple_server import make_server, WSGIRequestHandler
class Quiet(WSGIRequestHandler):
    def log_message(self, *a): pass
make_server("127.0.0.1", {port}, app, handler_class=Quiet).serve_forever()
"""),
    script("gevent.pywsgi", "python3-gevent", "libev", WSGI + """
from gevent.pywsgi import WSGIServer
WSGIServer(("127.0.0.1", {port}), app, log=None).serve_forever()
""", keepalive=True),
    script("eventlet.wsgi", "python3-eventlet", "epoll", WSGI + """
import eventlet, eventlet.wsgi
eventlet.wsgi.server(eventlet.listen(("127.0.0.1", {port})), app, log_output=False)
""", keepalive=True),
    script("CherryPy", "python3-cherrypy3 python3-cheroot",
           "threads; served by cheroot. `quickstart` first checks that nobody answers on its port: see below", """
import os, cherrypy, cheroot.wsgi
class Root:
    @cherrypy.expose
    def default(self, *a, id="none", **k):
        return "pid=%d id=%s\\n" % (os.getpid(), id)
cherrypy.config.update({"environment": "embedded", "log.screen": False})
server = cheroot.wsgi.Server(("127.0.0.1", {port}), cherrypy.tree.mount(Root()))
try:
    server.start()
finally:
    server.stop()
""", keepalive=True),
    script("Flask", "python3-flask", "Werkzeug's server, a thread for each connection; not with its debug reloader", """
import os, logging, flask
logging.getLogger("werkzeug").setLevel(logging.ERROR)
app = flask.Flask(__name__)
@app.route("/", defaults={"p": ""})
@app.route("/<path:p>")
def hello(p):
    return "pid=%d id=%s\\n" % (os.getpid(), flask.request.args.get("id"))
app.run("127.0.0.1", {port}, threaded=True)
"""),
    script("Bottle", "python3-bottle", "wsgiref", """
import os, bottle
@bottle.route("/<p:re:.*>")
def hello(p):
    return "pid=%d id=%s\\n" % (os.getpid(), bottle.request.query.id)
bottle.run(host="127.0.0.1", port={port}, quiet=True)
"""),
    Row(
        "Django runserver", "with `--noreload`", apt="python3-django", load=True, keepalive=False,
        command=PYTHON + " {dir}/manage.py runserver --noreload 127.0.0.1:{port}", files={"manage.py": """
import os, sys
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import re_path
settings.configure(DEBUG=True, SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None)
def hello(request):
    return HttpResponse("pid=%d id=%s\\n" % (os.getpid(), request.GET.get("id")))
urlpatterns = [re_path("", hello)]
execute_from_command_line(sys.argv)
"""},
    ),
    script("Tornado", "python3-tornado", "asyncio", """
import asyncio, os, tornado.web
class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write("pid=%d id=%s\\n" % (os.getpid(), self.get_query_argument("id", "none")))
async def main():
    tornado.web.Application([(".*", Hello)]).listen({port}, "127.0.0.1")
    await asyncio.Event().wait()
asyncio.run(main())
""", keepalive=True),
    script("aiohttp", "python3-aiohttp", "asyncio", """
import os
from aiohttp import web
async def hello(request):
    return web.Response(text="pid=%d id=%s\\n" % (os.getpid(), request.query.get("id")))
app = web.Application()
app.add_routes([web.get("/{p:.*}", hello)])
web.run_app(app, host="127.0.0.1", port={port}, print=None, access_log=None)
""", keepalive=True),
    script("Twisted", "python3-twisted", "epoll", """
import os
from twisted.internet import reactor
from twisted.web import resource, server
class Hello(resource.Resource):
    isLeaf = True
    def render_GET(self, request):
        return b"pid=%d id=%s\\n" % (os.getpid(), request.args.get(b"id", [b"none"])[0])
reactor.listenTCP({port}, server.Site(Hello()), interface="127.0.0.1")
reactor.run()
""", keepalive=True),
    script("websockets", "python3-websockets", "asyncio", """
import asyncio, os, websockets
async def hello(ws, *a):
    await ws.send("pid=%d" % os.getpid())
    await ws.wait_closed()
async def main():
    async with websockets.serve(hello, "127.0.0.1", {port}):
        await asyncio.Future()
asyncio.run(main())
""", ask=Talk((WEBSOCKET % b"", rb"^HTTP/1.1 101 .*\r\n\r\n.*pid=(?P<pid>\d+)")), tells_pid=True),
    script("aiosmtpd", "python3-aiosmtpd", "asyncio", """
import asyncio
from aiosmtpd.smtp import SMTP
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(None), "127.0.0.1", {port})
    await server.serve_forever()
asyncio.run(main())
""", ask=Talk((None, rb"^220 .*\r\n"), (b"EHLO x\r\n", rb"250 .*\r\n"), (b"QUIT\r\n", rb"^221 .*\r\n"))),
    Row(
        "pyftpdlib", "epoll", apt="python3-pyftpdlib", command=PYTHON + " -m pyftpdlib -i 127.0.0.1 -p {port} -d {dir}",
        ask=Talk((None, rb"^220 .*\r\n"), (b"QUIT\r\n", rb"^221 .*\r\n")),
    ),
    script("xmlrpc.server", "python3", "", """
import os
from xmlrpc.server import SimpleXMLRPCServer
server = SimpleXMLRPCServer(("127.0.0.1", {port}), logRequests=False)
server.register_function(os.getpid, "pid")
server.serve_forever()
""", ask=Talk((
        b"POST /RPC2 HTTP/1.0\r\nContent-Length: 53\r\n\r\n<methodCall><methodName>pid</methodName></methodCall>",
        rb"^HTTP/1.0 200 .*<int>(?P<pid>\d+)</int>")), tells_pid=True),
    Row(
        "Radicale", "threads", apt="radicale python3-radicale",
        command=PYTHON + " -m radicale --server-hosts 127.0.0.1:{port} --storage-filesystem-folder {dir}/data --auth-type none",
        ask=Talk((b"GET /.web/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", rb"^HTTP/1.0 200 .*Radicale")),
    ),
]

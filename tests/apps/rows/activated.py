"""Programs that are started with their listening sockets: activation = ..."""

from asking import Talk
from row import Row

from .languages import PSGI, RACK
from .net import DOVECOT, IMAP
from .node import HELLO
from .python import ASGI, PYTHON, WSGI
from .web import HELLO as HELLO_PAGE
from .web import PAGE


def activated(name, about, convention="systemd", keys=None, **more):
    more.setdefault("load", "ask" not in more)
    keys = dict({"activation": convention, "listen": "127.0.0.1:{port}"}, **keys or {})
    return Row(name, about, keys=keys, **more)


ROWS = [
    activated("gunicorn, systemd", "`LISTEN_FDS`; without `-b`. Two pre-forked processes", apt="gunicorn",
              command="gunicorn --chdir {dir} --log-level warning --graceful-timeout 5 -w 2 wsgiapp:app",
              files={"wsgiapp.py": WSGI}, processes=2),
    activated("Uvicorn, --fd", "`--fd 3`", apt="uvicorn", keepalive=True,
              command="uvicorn --app-dir {dir} --fd 3 --log-level warning asgiapp:app", files={"asgiapp.py": ASGI}),
    activated("Hypercorn, fd://", "`-b fd://3`", apt="python3-hypercorn",
              command=PYTHON + " -m hypercorn -b fd://3 asgiapp:app", files={"asgiapp.py": ASGI}),
    activated("socketserver, systemd", "its own `LISTEN_FDS`, by hand", apt="python3",
              command=PYTHON + " {here}/py_activated.py", broken=PYTHON + " {here}/missing.py", env=True),
    activated("Puma, systemd", "`LISTEN_FDS`; a bind with the same address takes the socket", apt="puma", keepalive=True,
              command="puma -q -b tcp://127.0.0.1:{port} -t 4:4 {dir}/config.ru", files={"config.ru": RACK}),
    activated("node, listen({fd: 3})", "`server.listen({ fd: 3 })`", apt="nodejs", keepalive=True,
              command="node {dir}/app.js", files={"app.js": """
require('http').createServer((req, res) => {
  const id = new URL(req.url, 'http://x').searchParams.get('id');
  res.end(%s);
}).listen({ fd: 3 });
""" % (HELLO % "id")}),
    activated("Starman, server-starter", "`SERVER_STARTER_PORT`; pre-forked", "server-starter", apt="starman",
              command="starman --workers 2 --max-requests 1000000 --preload-app {dir}/app.psgi", files={"app.psgi": PSGI}, processes=2),
    activated("Twiggy, server-starter", "`SERVER_STARTER_PORT`; AnyEvent", "server-starter", apt="twiggy",
              command="twiggy {dir}/app.psgi", files={"app.psgi": PSGI}),
    activated("mpd, systemd", "libsystemd's `sd_listen_fds`; without `bind_to_address`", apt="mpd", shell="exec mpd --no-daemon --stderr {dir}/mpd.conf",
              ask=Talk((None, rb"^OK MPD .*\n"), (b"ping\n", rb"^OK\n")), files={"mpd.conf": """
audio_output {
  type "null"
  name "null"
}
max_connections "100"
"""}),
    activated("h2o, server-starter", "`SERVER_STARTER_PORT`; a `listen` with the same address takes the socket", "server-starter", apt="h2o",
              command="h2o -c {dir}/h2o.conf", ask=HELLO_PAGE, files={"h2o.conf": """
listen: { port: {port}, host: 127.0.0.1 }
user: root
num-threads: 2
hosts: { localhost: { paths: { /: { file.dir: {dir}/www } } } }
""", **PAGE}),
    activated("Dovecot imapd, systemd", "libsystemd's `sd_listen_fds`; an `inet_listener` with the same address takes the socket. It needs what Dovecot above"
              " needs", apt="dovecot-imapd", setup="mkdir -p /run/dovecot", same_fds=False,
              shell="exec dovecot -F -c {dir}/dovecot.conf -o base_dir=$W", files={"dovecot.conf": DOVECOT}, ask=IMAP),
    # No `activation`: it listens by itself, and executes the program for the first client.
    Row("systemd-socket-activate", "as any program that listens; it executes another for the first client, and passes the socket", apt="systemd python3", load=True,
        command="systemd-socket-activate -l 127.0.0.1:{port} " + PYTHON + " {here}/py_activated.py",
        broken="systemd-socket-activate --no-such-option"),
]

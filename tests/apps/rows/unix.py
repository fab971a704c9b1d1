"""Programs that listen on a Unix socket."""

from asking import echo_http
from row import Row

from .data import MEMCACHED, REDIS
from .languages import FPM, FPM_ASKED, RACK
from .node import HELLO
from .python import ASGI, WSGI
from .web import NGINX


def http_app(name, about, **more):
    return Row(name, about, ask=echo_http(), tells_pid=True, keys={"listen": "{socket}"}, **more)


ROWS = [
    http_app("gunicorn, unix:", "removes what is there without a look. Two pre-forked processes", apt="gunicorn", processes=2,
             command="gunicorn --chdir {dir} --log-level warning --graceful-timeout 5 -w 2 -b unix:{socket} wsgiapp:app",
             files={"wsgiapp.py": WSGI}),
    http_app("Uvicorn, --uds", "removes what is there; `chmod` behind its `listen`", apt="uvicorn",
             command="uvicorn --app-dir {dir} --uds {socket} --log-level warning asgiapp:app", files={"asgiapp.py": ASGI}),
    http_app("Waitress, --unix-socket", "asks for the file between `bind` and `listen`", apt="python3-waitress",
             shell="cd {dir} && exec waitress-serve --unix-socket={socket} wsgiapp:app", files={"wsgiapp.py": WSGI}),
    http_app("Puma, unix://", "ends if somebody answers there, and with a `listen` line nobody seems to", apt="puma",
             command="puma -q -b unix://{socket} -t 4:4 {dir}/config.ru", files={"config.ru": RACK}),
    http_app("node, listen(path)", "ends if the file is there", apt="nodejs", command="node {dir}/app.js", files={"app.js": """
require('http').createServer((req, res) => {
  const id = new URL(req.url, 'http://x').searchParams.get('id');
  res.end(%s);
}).listen('{socket}');
""" % (HELLO % "id")}),
    http_app("nginx, unix:", "ends if the file is there; `chmod` between `bind` and `listen`. `daemon off`", apt="nginx-light",
             files={"nginx.conf": NGINX.replace("listen 127.0.0.1:{port}", "listen unix:{socket}")}, processes=2,
             shell="exec nginx -e stderr -p {dir} -c {dir}/nginx.conf -g \"daemon off; pid $W/pid;\""),
    Row("PHP-FPM, listen = PATH", "as Puma. `socket_mode`, `socket_user` and `socket_group` instead of its"
        " `listen.mode`, `listen.owner` and `listen.group`", apt="php-fpm", command="php-fpm8.2 -F -O -R -y {dir}/fpm.conf",
        keys={"listen": "{socket}", "socket_user": "www-data"}, ask=FPM_ASKED,
        files={"fpm.conf": FPM.replace("ADDRESS", "{socket}\nlisten.owner = www-data\nlisten.mode = 0660")}),
    Row("redis, unixsocket", "as two caches: each worker has its own data, and must not save them to one file (`save ''`)",
        apt="redis-server", shell="exec redis-server --port 0 --unixsocket {socket} --unixsocketperm 770 --daemonize no --save ''",
        keys={"listen": "{socket}"}, ask=REDIS, tells_pid=True),
    Row("memcached, -s", "as two caches. `socket_mode` instead of its option `-a`, and `user` instead of `-u`", apt="memcached",
        command="memcached -s {socket} -a 0770", keys={"user": "nobody", "listen": "{socket}", "socket_mode": "0666"},
        ask=MEMCACHED, tells_pid=True),
]

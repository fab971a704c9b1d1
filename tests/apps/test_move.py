#!/usr/bin/env python3
"""
`move = auto` with real servers, and behind real proxies: clients that keep their connections busy
notice no reload, and with most servers no connection ends.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import *  # noqa: E402,F401,F403
from lib.trapped import go_program  # noqa: E402
from checked import EVERYTHING, Checked  # noqa: E402
from row import NPM, which  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ECHO = os.path.join(HERE, "echo")
N, RELOADS = 64, int(os.environ.get("RELOADS", "20"))
JARS = "/usr/share/java/*:/usr/share/tomcat10/lib/*"
JAVA = "java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Xmx96m -cp {dir}:%s " % JARS


def needs(*programs):
    for program in programs:
        if not (os.path.exists(program) if program.startswith("/") else which(program)):
            assert os.environ.get("BROKER_APPS_REQUIRED") != "1", "not installed: %s" % program
            skip("no %s here" % program)


def reload_often(broker, clients, reloads=RELOADS):
    """The next reload begins while the old workers of the last one still drain."""
    for _ in range(reloads):
        broker.reload_and_wait()
        clients.wait_answers(N)
    clients.check()


def old_workers_end(broker):
    """(connections that moved, those that were ended between two requests)"""
    started = {e["pid"]: e["generation"] for e in broker.events("worker-ready")}
    for pid, generation in started.items():
        if generation < max(started.values()):
            broker.wait_event("worker-exit", pid=pid)
    ends = broker.events("worker-stopping")
    return sum(e["moved"] for e in ends), sum(e["ended_idle"] for e in ends)


def fill(text, **values):
    for key, value in dict(values, here=HERE, echo=ECHO, dir=tmp(), npm=NPM).items():
        text = text.replace("{%s}" % key, str(value))
    return text


# nginx and lighttpd serve what an app beside the broker says.
NGINX = """
{how} master_process off; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path {dir}/t; proxy_temp_path {dir}/t; fastcgi_temp_path {dir}/t;
  uwsgi_temp_path {dir}/t; scgi_temp_path {dir}/t;
  upstream app { server 127.0.0.1:{app}; keepalive 64; keepalive_requests 1000000; }
  server { listen 127.0.0.1:{port}; keepalive_requests 1000000; client_max_body_size 2m; location / {
    proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_next_upstream off; } } }
"""
LIGHTTPD = """
server.modules = ("mod_proxy")
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{dir}"
server.max-keep-alive-requests = 1000000
server.max-keep-alive-idle = 60
server.stream-response-body = 1
proxy.server = ("" => (("host" => "127.0.0.1", "port" => {app})))
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  retries 0
  http-reuse always
frontend in
  bind 127.0.0.1:{port}
  default_backend app
backend app
  server one 127.0.0.1:{app}
"""
PY_ECHO = ["python3", HERE + "/py_echo.py", "{port}"]


def busy_clients_notice_nothing(name, command, all_move=True, needed=(), reloads=RELOADS, config="", **keys):
    """`all_move`: and no connection ends."""
    needs(command.split()[0], *needed)
    if command.startswith("go "):
        command = command.replace("go", go_program("exe", "echo/echo.go"), 1)
    if command.startswith("java"):
        source = "%s/%s.java" % (ECHO, command.split()[1])
        subprocess.run(["javac", "-nowarn", "-d", tmp(), "-cp", JARS, source], check=True, stderr=subprocess.DEVNULL)
        command = command.replace("java ", JAVA, 1)
    port = free_port()
    if config:
        config = fill(config, port=port, how="daemon off;", app=Server(PY_ECHO).port)
    command = fill(command, port=port, config=write_file(name + ".conf", config))
    broker = Broker(command.split(), workers=2, move="auto", drain_timeout="60s" if all_move else "8s",
                    environment="NODE_PATH=" + NPM)
    clients = Checked(port, N, **keys)
    clients.wait_answers(4 * N)
    reload_often(broker, clients, reloads)
    moved, ended = old_workers_end(broker)
    counts = clients.stop()
    clients.check()
    note("%d moved, %d ended between two requests; %s" % (moved, ended, counts))
    if all_move:
        # All of them, since no old worker is left and no connection has ended.
        assert moved >= N and ended == sum(counts.values()) - counts["answered"] == 0, counts


def a_proxy_in_front_notices_nothing(command, config):
    needs(command[0])
    broker = Broker(PY_ECHO, workers=2, move="auto", drain_timeout="1h", drain_idle="off")
    port = free_port()
    path = write_file("proxy.conf", fill(config, port=port, app=broker.port, how="daemon off;"))
    proxy = Server([which(command[0]), *command[1:], path], [port])
    clients = Checked(port, N)
    clients.wait_answers(4 * N)
    # What a pool has and does not use stays where it is, so nobody waits for the old workers.
    reload_often(broker, clients)
    counts = clients.stop()
    clients.check()
    proxy.stop()
    moved = broker.stop()["moved"]
    note("%d moved; %s" % (moved, counts))
    assert moved > 0 and sum(counts.values()) == counts["answered"], counts


GUNICORN = "gunicorn --chdir {echo} -b 127.0.0.1:{port} --log-level warning -w 2 --keep-alive 75 -k %s echo:wsgi"
for name, command, how in (
    ("node http", "node {echo}/node.js http {port}", {}),
    ("Express", "node {echo}/node.js express {port}", {"needed": [NPM + "/express"]}),
    ("Fastify", "node {echo}/node.js fastify {port}", {"needed": [NPM + "/fastify"]}),
    ("asyncio", "python3 {here}/py_echo.py {port}", {}),
    ("aiohttp", "/usr/bin/python3 {echo}/echo.py aiohttp {port}", {}),
    ("Uvicorn", "uvicorn --app-dir {echo} --port {port} --log-level warning echo:asgi", {}),
    ("gunicorn, gthread", GUNICORN % "gthread --threads 8", {}),
    ("gunicorn, gevent", GUNICORN % "gevent", {}),
    ("JDK HttpServer", "java EchoJdk {port}", {}),
    ("Netty", "java EchoNetty {port}", {"needed": ["/usr/share/java/netty-all.jar"]}),
    ("Tomcat", "java EchoTomcat {port} {dir}", {"needed": ["/usr/share/tomcat10/lib"], "reloads": 8}),
    ("Go", "go 127.0.0.1:{port}", {}),
    ("nginx", "nginx -e stderr -c {config}", {"config": NGINX}),
    ("lighttpd", "lighttpd -D -f {config}", {"config": LIGHTTPD}),
    ("ThreadingHTTPServer", "python3 {echo}/echo.py threads {port}", {"all_move": False, "can": EVERYTHING - {"chunks"}, "reloads": 5}),
    ("Puma", "puma -q -b tcp://127.0.0.1:{port} -t 4:16 {echo}/config.ru", {"all_move": False}),
    ("PHP", "php -S 127.0.0.1:{port} -t {echo}", {"all_move": False, "can": EVERYTHING - {"chunks", "expect", "pieces"}}),
):
    add_test("%s: busy clients notice no reload" % name,
             lambda name=name, command=command, how=how: busy_clients_notice_nothing(name, command, **how))
add_test("nginx in front notices no reload",
         lambda: a_proxy_in_front_notices_nothing(["nginx", "-e", "stderr", "-c"], NGINX))
add_test("HAProxy in front notices no reload",
         lambda: a_proxy_in_front_notices_nothing(["haproxy", "-db", "-f"], HAPROXY))

main()

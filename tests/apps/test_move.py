#!/usr/bin/env python3
"""
`move = auto` with real servers, and behind real proxies: clients that keep their connections busy
notice no reload, and with most servers no connection ends.
"""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import *  # noqa: E402,F401,F403
from lib.keepalive import KeepAlive  # noqa: E402
from row import which  # noqa: E402
from rows.python import ASGI, WSGI  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
N, RELOADS = 64, 5
RACK = """run lambda { |env|
  id = env["QUERY_STRING"][/id=(\\w+)/, 1] || "none"
  [200, {"Content-Type" => "text/plain"}, ["pid=#{Process.pid} id=#{id}\\n"]]
}
"""
PHP = """<?php echo "pid=", getmypid(), " id=", $_GET["id"] ?? "none", "\\n";"""


def needs(*programs):
    for program in programs:
        if not which(program):
            assert os.environ.get("BROKER_APPS_REQUIRED") != "1", "not installed: %s" % program
            skip("no %s here" % program)


def reloads(broker, clients):
    """(connections that moved, those that were ended between two requests)"""
    for _ in range(RELOADS):
        old = {e["pid"] for e in broker.events("worker-ready")}
        old -= {e["pid"] for e in broker.events("worker-exit")}
        broker.reload_and_wait()
        for pid in old:
            broker.wait_event("worker-exit", pid=pid)
        clients.wait_answers(N)
    ends = broker.events("worker-stopping")
    return sum(e["moved"] for e in ends), sum(e["ended_idle"] for e in ends)


def busy_clients_notice_nothing(all_move, programs, *command):
    needs(*programs)
    if programs[0] == "javac":
        subprocess.run(["javac", "-d", tmp(), "%s/JdkHttp.java" % HERE, "%s/JdkSocket.java" % HERE],
                       check=True)
    for name, text in (("wsgiapp.py", WSGI), ("asgiapp.py", ASGI), ("config.ru", RACK),
                       ("index.php", PHP)):
        write_file(name, text)
    broker = Broker([arg.format(here=HERE, dir=tmp(), port="{port}") for arg in command], workers=2,
                    move="auto", drain_timeout="8s", drain_idle="2s")
    clients = KeepAlive(broker.port, N, rate=8)
    clients.wait_answers(4 * N)
    moved, ended = reloads(broker, clients)
    counts = clients.stop()
    note("%d moved, %d ended between two requests; %s" % (moved, ended, counts))
    assert counts["cut"] == 0, counts
    if all_move:
        assert moved >= N * RELOADS and counts["repeated"] == counts["closed"] == 0, counts


NGINX = """
daemon off; master_process off; error_log {dir}/nginx.err; pid {dir}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {dir}/t; proxy_temp_path {dir}/t; fastcgi_temp_path {dir}/t;
  uwsgi_temp_path {dir}/t; scgi_temp_path {dir}/t;
  upstream app {{ server 127.0.0.1:{app}; keepalive 64; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000; location / {{
    proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_next_upstream off; }} }} }}
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


def a_proxy_in_front_notices_nothing(program, config, *arguments):
    needs(program)
    broker = Broker(["python3", "%s/py_echo.py" % HERE, "{port}"], workers=2, move="auto",
                    drain_timeout="1h", drain_idle="off")
    port = free_port()
    path = write_file("proxy.conf", config.format(dir=tmp(), port=port, app=broker.port))
    process = subprocess.Popen([which(program), *arguments, path], stdin=subprocess.DEVNULL,
                               preexec_fn=proc.die_with_parent)
    at_end(lambda: (process.terminate(), process.wait()))
    wait_until(lambda: not refused(port), 20)
    clients = KeepAlive(port, N, rate=8, path="/id")
    clients.wait_answers(4 * N)
    # What a pool has and does not use stays where it is, so nobody waits for the old workers.
    for _ in range(RELOADS):
        broker.reload_and_wait()
        clients.wait_answers(2 * N)
    counts = clients.stop()
    process.terminate()
    process.wait()
    moved = broker.stop()["moved"]
    note("%d moved; %s" % (moved, counts))
    assert moved > 0 and counts["cut"] == counts["repeated"] == counts["closed"] == 0, counts


for all_move, programs, *command in (
    (True, ["node"], "node", "{here}/app.js", "{port}"),
    (True, ["python3"], "python3", "{here}/py_asyncio.py", "{port}"),
    (True, ["uvicorn"], "uvicorn", "--app-dir", "{dir}", "--port", "{port}", "--log-level", "warning",
     "asgiapp:app"),
    (True, ["gunicorn"], "gunicorn", "--chdir", "{dir}", "-b", "127.0.0.1:{port}", "--log-level",
     "warning", "-w", "2", "-k", "gthread", "--threads", "8", "--keep-alive", "75", "wsgiapp:app"),
    (True, ["javac"], "java", "-cp", "{dir}", "JdkHttp", "{port}"),
    (False, ["puma"], "puma", "-q", "-b", "tcp://127.0.0.1:{port}", "-t", "4:16", "{dir}/config.ru"),
    (False, ["php"], "php", "-S", "127.0.0.1:{port}", "-t", "{dir}"),
):
    add_test("%s: busy clients notice no reload" % command[0],
             lambda args=(all_move, programs, *command): busy_clients_notice_nothing(*args))
add_test("nginx in front notices no reload",
         lambda: a_proxy_in_front_notices_nothing("nginx", NGINX, "-c"))
add_test("haproxy in front notices no reload",
         lambda: a_proxy_in_front_notices_nothing("haproxy", HAPROXY, "-db", "-f"))

main()

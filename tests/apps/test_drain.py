#!/usr/bin/env python3
"""drain_idle with real servers that do nothing for a drain, under clients as pools are. With move = off."""

import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import *  # noqa: E402,F401,F403
from lib.keepalive import KeepAlive  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
N = 64


def busy_connections_are_ended(program, path, *command):
    if not shutil.which(program):
        assert os.environ.get("BROKER_APPS_REQUIRED") != "1", "not installed: %s" % program
        skip("no %s here" % program)
    if program == "javac":
        subprocess.run(["javac", "-d", tmp(), "%s/JdkHttp.java" % HERE, "%s/JdkSocket.java" % HERE],
                       check=True)
    broker = Broker([arg.format(here=HERE, dir=tmp(), port="{port}") for arg in command],
                    workers=2, drain_idle="1s", move="off")
    clients = KeepAlive(broker.port, N, rate=4, path=path)
    clients.wait_answers(4 * N)
    old = [broker.worker_pid("web.%d" % n) for n in range(2)]
    began = time.monotonic()
    broker.reload_and_wait()
    for pid in old:
        event = broker.wait_event("worker-exit", pid=pid)
        assert "ended" in event["message"], event
    took = time.monotonic() - began
    clients.wait_answers(N)
    counts = clients.stop()
    ended = [e["ended_idle"] for e in broker.events("worker-stopping")]
    note("%.1f s, %s, ended %s" % (took, counts, ended))
    # A request may be on its way when its connection is ended: the longer a server takes to see the
    # end, on a busy machine, the more of them. Clients repeat those; none is cut in an answer.
    assert took < 10 and counts["cut"] == 0 and counts["repeated"] <= N // 8, counts
    # Those are counted here, too.
    assert sum(ended) >= N - counts["repeated"], ended


# Answers within a jiffy, and answers that take their time: an end of file in the middle of a
# request makes node drop it.
for name, path, *command in (
    ("python3", "/", "python3", "{here}/py_threading.py", "{port}"),
    ("node", "/", "node", "{here}/app.js", "{port}"),
    ("node", "/slow?ms=200", "node", "{here}/app.js", "{port}"),
    ("javac", "/", "java", "-cp", "{dir}", "JdkHttp", "{port}"),
):
    add_test("%s %s: busy connections are ended between two requests" % (command[0], path),
             lambda args=(name, path, *command): busy_connections_are_ended(*args))

main()

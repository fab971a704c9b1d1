#!/usr/bin/env python3
"""
No other user has a say on which file the broker writes, makes, removes or gives away; and what one
start leaves is what the next one accepts. As root, in a /run and /var/log of its own.
"""

import itertools
import os
import pwd
import signal
import socket
import subprocess
import sys

from harness import *
from lib.paths import BUILD
from lib import proc
from lib.broker import kill_main
from lib.plain import Plain
from lib.ports import free_port

if os.geteuid() != 0:
    skip_all("needs root, to be another user")
if os.environ.get("TEST_OWN_MOUNTS") != "1":
    os.environ["TEST_OWN_MOUNTS"] = "1"
    os.environ["BROKER_BUILD"] = BUILD
    os.execvp("unshare", ["unshare", "--mount", sys.executable] + sys.argv)
subprocess.run("mount -t tmpfs -o mode=755 run /run && mount -t tmpfs -o mode=755 log /var/log", shell=True, check=True)

NOBODY = pwd.getpwnam("nobody").pw_uid
CONFIG, ENVIRONMENT = 2, 3


def own(path, uid=NOBODY, mode=0o755):
    os.chown(path, uid, -1)
    os.chmod(path, mode)
    return path


def directory(name, uid=0, mode=0o755):
    os.mkdir(tmp(name))
    return own(tmp(name), uid, mode)


def content(path):
    with open(path) as f:
        return f.read()


# --- output ---------------------------------------------------------------------------------------

# A worker that puts something else in place of its log, and ends when it is asked.
EVIL = """
import os, socket, sys
log, other, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.write(1, b"written by %d\\n" % os.getuid())
s = socket.create_server(("127.0.0.1", port))
while True:
    c = s.accept()[0]
    ends = b"end" in c.recv(999)
    if ends:
        os.unlink(log)
        os.mkfifo(log) if other == "fifo" else os.symlink(other, log)
    c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    c.close()
    if ends:
        os._exit(1)
"""


def check_output(other):
    logs = directory("logs", NOBODY)
    secret = write_file("secret", "only root may write here\n")
    script = write_file("evil.py", EVIL)
    broker = Broker(
        text="[service:evil]\ncommand = python3 %s %s/web.log %s {port}\nuser = nobody\nworkers = 1\n"
        "output = %s/web.log\n[service:good]\ncommand = {apps}/srv_poll {port2}\n"
        % (script, logs, other.replace("SECRET", secret), logs))
    assert content(logs + "/web.log") == "written by %d\n" % NOBODY
    assert os.stat(logs + "/web.log").st_uid == NOBODY
    with socket.create_connection(("127.0.0.1", broker.port)) as s:
        s.sendall(b"GET /end HTTP/1.0\r\n\r\n")
        s.recv(99)
    failed = broker.wait_event("worker-failed", worker="evil.0", timeout=10)
    wait_until(lambda: [e for e in broker.events("worker-failed") if "cannot open output" in e["message"]])
    assert content(secret) == "only root may write here\n", content(secret)
    assert http_get(broker.port2).status == 200, failed
    broker.stop()


for word in ("SECRET", "fifo"):
    add_test("a worker cannot lead root from its log to a " + word.lower(), lambda word=word: check_output(word))


# --- what a start leaves is what the next one accepts ----------------------------------------------


def check_starts(keys):
    home = directory("+".join(sorted(keys)) or "nothing")
    port = free_port()
    conf = write_file(os.path.basename(home) + ".ini", "[broker]\n%s\n[service:web]\ncommand = %s\ndrain_timeout = 0\n"
                      % ("\n".join("%s = %s" % (k, v.replace("HOME", home)) for k, v in keys.items()),
                         " ".join(app("srv_poll", port))))
    for whose, end in ("pid", signal.SIGTERM), ("main_pid", signal.SIGKILL), ("pid", signal.SIGKILL), ("pid", signal.SIGTERM):
        broker = Plain("-c", conf)
        assert http_get(port).status == 200
        if "pid_file" in keys:
            path = keys["pid_file"].replace("HOME", home)
            assert content(path) == "%d\n" % broker.pid and os.stat(path).st_uid == 0
        below = proc.descendants(broker.pid)
        if whose == "main_pid":
            kill_main(broker)
        else:
            send_signal(broker.pid, end)
        assert broker.wait_exit() == (0 if end == signal.SIGTERM else -end)
        # After SIGKILL the parent ends the workers, or the broker does.
        wait_until(lambda: proc.reap_adopted() or not [pid for pid in below if proc.alive(pid)], 20)


KEYS = {"user": "nobody", "run_dir": "HOME/run", "pid_file": "HOME/broker.pid", "log": "HOME/broker.log"}

for chosen in itertools.product((False, True), repeat=len(KEYS)):
    some = {key: KEYS[key] for key, there in zip(KEYS, chosen) if there}
    add_test("the next start accepts what one leaves with " + (", ".join(some) or "none of the options"),
             lambda some=some: check_starts(some))


main()

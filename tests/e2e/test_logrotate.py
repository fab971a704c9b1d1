#!/usr/bin/env python3
"""The logs of the broker and its workers are rotated as docs/examples/broker.logrotate says."""

import os
import shutil
import socket
import subprocess
import sys

from harness import *

RECIPE = os.path.join(ROOT, "docs", "examples", "broker.logrotate")

# Writes what it was asked for into its output.
APP = """
import socket
s = socket.create_server(("127.0.0.1", %d))
while True:
    c = s.accept()[0]
    print(c.recv(4096).decode().split()[1], flush=True)
    c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    c.close()
"""


def get(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(b"GET %s HTTP/1.0\r\n\r\n" % path.encode())
        assert sock.makefile("rb").read().startswith(b"HTTP/1.0 200")


def rotate(files):
    """By logrotate itself, or where that is not installed by the same steps."""
    with open(RECIPE) as f:
        text = f.read()
    for name, path in files.items():
        assert name in text, name
        text = text.replace(name, path)
    program = shutil.which("logrotate", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if program:
        conf = write_file("logrotate.conf", text, 0o600)
        done = subprocess.run([program, "-f", "-s", tmp("state"), conf], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
        return
    log, output, pid = (files[n] for n in ("/var/log/broker.log", "/var/log/web.log", "/run/broker.pid"))
    assert "copytruncate" in text and "kill -USR1" in text
    os.rename(log, log + ".1")
    send_signal(int(read_text(pid)), 10)
    shutil.copy(output, output + ".1")
    os.truncate(output, 0)


def read_text(path):
    with open(path) as f:
        return f.read()


@test
def both_logs_are_rotated_while_workers_write():
    files = {"/var/log/broker.log": tmp("broker.log"), "/var/log/web.log": tmp("web.log"),
             "/run/broker.pid": tmp("broker.pid")}
    log, output, pid_file = files.values()
    port = free_port()
    script = write_file("app.py", APP % port)
    path = write_file("b.ini", "[broker]\nlog = %s\npid_file = %s\nrun_dir = %s\n[service:web]\n"
                      "command = %s %s\nworkers = 1\noutput = %s\n"
                      % (log, pid_file, tmp("run"), sys.executable, script, output))
    r, w = os.pipe()
    broker = subprocess.Popen([broker_program(), "-c", path, "--ready-fd", str(w)], pass_fds=[w], env=clean_environment(None),
                              preexec_fn=proc.die_with_parent)
    os.close(w)
    at_end(lambda: (broker.terminate(), broker.wait(60)))
    assert os.read(r, 16) == b"ready\n", read_text(log)
    os.close(r)
    get(port, "/before")
    assert read_text(output) == "/before\n"
    rotate(files)
    wait_until(lambda: os.path.exists(log) and "log-reopened" in read_text(log))
    get(port, "/after")
    # The old worker goes on in the new file, at its beginning.
    assert read_text(output) == "/after\n"
    assert read_text(output + ".1") == "/before\n"
    assert "worker-ready" in read_text(log + ".1") and "worker-ready" not in read_text(log)


main()

#!/usr/bin/env python3
"""Workers that /proc does not show to the broker: "cannot be seen" is never "is not there"."""

import os
import shutil
import subprocess

from harness import *

private_namespaces()

USER = 1  # any but root, whom nothing is hidden from

# It is not dumpable: with hidepid=2 there is no trace of it in /proc, but for root.
HIDDEN = """
import ctypes, os, runpy, socket, sys
sys.path.insert(0, "%s/tests/apps")
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
%%s
runpy.run_path("%s/tests/apps/py_threading.py", run_name="__main__")
""" % (ROOT, ROOT)

# As daemons do: the process that was started ends well, and leaves a child.
DAEMON = """
if os.fork():
    os._exit(0)
os.setsid()
"""

# The same after listen(), which the one that ends has called.
LISTENS_FIRST = """
import http.server
class Server(http.server.ThreadingHTTPServer):
    def server_activate(self):
        super().server_activate()
        if os.fork():
            os._exit(0)
http.server.ThreadingHTTPServer = Server
"""


class UserBroker(Broker):
    """One that is not root, with a file and a directory of its own."""

    def configure(self, *arguments, **keys):
        os.chown(self.dir, USER, USER)
        super().configure(*arguments, **keys)


def broker_of_user(before="", **keys):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        skip("needs root, and setpriv, to be another user")
    subprocess.run(["mount", "-o", "remount,hidepid=2", "/proc"], check=True)
    script = write_file("broker.sh", "#!/bin/sh\nexec setpriv --reuid=%d --regid=%d --clear-groups "
                        "%s \"$@\"\n" % (USER, USER, broker_program()))
    os.chmod(script, 0o755)
    file = write_file("hidden.py", HIDDEN % before)
    return UserBroker(["python3", file, "{port}"], program=script,
                      **dict({"workers": 1, "drain_timeout": "2s"}, **keys))


def sees(pid):
    """Whether the user of the broker does."""
    return subprocess.run(["setpriv", "--reuid=%d" % USER, "--regid=%d" % USER, "--clear-groups", "ls",
                           "/proc/%d" % pid],
                          capture_output=True).returncode == 0


@test
def a_reload_cuts_no_request_of_a_worker_that_is_hidden():
    broker = broker_of_user()
    old = broker.worker_pid()
    assert not sees(old)
    sock = connect(broker.port)
    send_request(sock, "/slow?ms=1200")
    wait_until(lambda: proc.held_connections([old], broker.port) == 1)
    broker.hup()
    broker.wait_event("worker-draining", pid=old)
    assert read_answer(sock).pid == old
    # What it has is not known, so it has all the time that it may have.
    stopping = broker.wait_event("worker-stopping", pid=old)
    assert "time is up" in stopping["message"], stopping
    broker.wait_event("worker-exit", pid=old)


@test
def a_hidden_daemon_is_known_by_its_hello():
    broker = broker_of_user(DAEMON)
    daemon = broker.wait_event("worker-daemonised")["pid"]
    with connect(broker.port) as sock:
        send_request(sock, "/")
        assert read_answer(sock).pid == daemon and not sees(daemon)
    send_signal(daemon, signal.SIGKILL)
    broker.wait_event("worker-exit")
    broker.wait_event("worker-daemonised", count=2)


def child_of(main):
    wait_until(lambda: not proc.alive(main))
    return next(pid for pid in proc.pids() if "/hidden.py" in proc.command_line(pid))


@test
def a_hidden_process_that_has_the_socket_is_not_taken_for_gone():
    broker = broker_of_user(LISTENS_FIRST)
    main = broker.wait_event("worker-ready")["pid"]
    child = child_of(main)
    # For longer than a process in execve(2) is waited for, which cannot be seen either.
    with connect(broker.port) as sock:
        send_request(sock, "/slow?ms=2500")
        assert read_answer(sock).pid == main  # it has that from the beginning of the program
    assert not broker.events("worker-exit") and len(broker.events("worker-start")) == 1
    send_signal(child, signal.SIGKILL)
    broker.wait_event("worker-exit")
    main = broker.wait_event("worker-ready", count=2)["pid"]
    child = child_of(main)
    broker.signal(signal.SIGTERM)
    send_signal(child, signal.SIGKILL)
    broker.wait_stopped()


main()

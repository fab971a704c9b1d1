#!/usr/bin/env python3
"""log = syslog, with a daemon that reads, does not read, is gone, and comes back: nobody waits for it."""

import json
import os
import socket
import subprocess
import sys

from harness import *
from lib.paths import BUILD
from lib.steering import ask

if os.geteuid() != 0:
    skip_all("needs root, for a /dev/log of its own")
if os.environ.get("TEST_OWN_MOUNTS") != "1":
    os.environ["TEST_OWN_MOUNTS"] = "1"
    os.environ["BROKER_BUILD"] = BUILD
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable] + sys.argv)
subprocess.run("""
d=$(mktemp -d) && mount -t tmpfs -o dev,mode=755 dev $d && cd $d &&
mknod -m 666 null c 1 3 && mknod -m 666 zero c 1 5 && mknod -m 666 urandom c 1 9 && mknod -m 666 tty c 5 0 &&
ln -s /proc/self/fd fd && mkdir shm && cd / && mount --move $d /dev && rmdir $d""", shell=True, check=True)


class Daemon:
    """Reads only if it is asked to."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/dev/log")
        self.socket.settimeout(10)

    def line(self):
        return self.socket.recv(9000).decode()

    def find(self, word):
        while True:
            line = self.line()
            if word in line:
                return line

    def end(self):
        self.socket.close()
        os.unlink("/dev/log")


@test
def nobody_waits_for_the_daemon_and_what_is_lost_is_counted():
    daemon = Daemon()
    broker = Broker(app("srv_poll"), workers=2, broker={"log": "syslog"})
    first = daemon.find("broker-start")
    assert first.startswith("<30>") and " broker[%d]: " % broker.pid in first, first
    with open("/proc/sys/net/unix/max_dgram_qlen") as f:
        room = int(f.read())
    for n in range(room + 50):
        ask(broker, "scale web %d" % (2 + n % 2))
    assert http_get(broker.port).status == 200
    for _ in range(room):  # now there is room again
        daemon.line()
    ask(broker, "scale web 2")
    said = json.loads(daemon.find("log-lost").split(": ", 1)[1])
    assert said["entries"] >= 50, said
    daemon.end()
    ask(broker, "scale web 3")
    assert http_get(broker.port).status == 200
    daemon = Daemon()
    ask(broker, "scale web 2")
    daemon.find("log-lost")
    broker.signal(signal.SIGTERM)
    daemon.find("broker-stop")
    assert broker.wait_exit() == 0
    assert broker.log.lines() == []
    broker.stopped = {}
    daemon.end()


main()

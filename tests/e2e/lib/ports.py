"""Free ports that stay free: no other test is given the same one while this test runs."""

import random
import socket

from . import tap

# Below the range that the kernel picks from for connect(2): no client takes such a port.
FIRST, LAST = 10000, 29999


def free_port():
    """
    A TCP port that nobody uses, for IPv4 and IPv6. Nothing is bound to it; it is reserved against
    other tests by a lock that the kernel drops with this process: an abstract Unix address, which
    is as wide as the ports are (one network namespace) and leaves no file.
    """
    for _ in range(1000):
        port = random.randint(FIRST, LAST)
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind("\0broker-test-port-%d" % port)
            _probe(port)
        except OSError:
            lock.close()
            continue
        tap.current().cleanups.append(lock.close)
        return port
    raise AssertionError("no free port in %d to %d" % (FIRST, LAST))


def _probe(port):
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            s = socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            continue  # a machine without IPv6
        with s:
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port))

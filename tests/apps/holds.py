"""
One thread that answers who asks, and holds who does not; and then a lot to look at:

    holds.py PORT [CHILDREN DESCRIPTORS]

So many children, each with so many descriptors, of its first generation only.
"""

import os
import resource
import select
import signal
import socket
import sys

port, children, descriptors = (list(map(int, sys.argv[1:])) + [0, 0])[:3]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
# They do not know the listening socket.
if os.environ.get("BROKER_GENERATION", "1") == "1":
    ended, alive = os.pipe()
    for _ in range(children):
        if os.fork() == 0:
            listener.close()
            os.close(alive)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            one = socket.socket()
            for _ in range(descriptors):
                os.dup(one.fileno())
            os.read(ended, 1)
            os._exit(0)
listener.listen(4096)
listener.setblocking(False)
epoll = select.epoll()
epoll.register(listener, select.EPOLLIN)
held = {}
while True:
    for fd, _ in epoll.poll():
        if fd != listener.fileno():
            conn = held.pop(fd)
            asked = conn.recv(4096)
            name = asked.partition(b"id=")[2].split(b" ")[0].decode() or "none"
            body = "pid=%d id=%s\n" % (os.getpid(), name)
            head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
            if asked:
                conn.sendall((head + body).encode())
            conn.close()
            continue
        try:
            while True:
                conn = listener.accept()[0]
                held[conn.fileno()] = conn
                epoll.register(conn, select.EPOLLIN)
        except BlockingIOError:
            pass

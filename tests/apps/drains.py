"""
Finishes by itself when it is told to drain: python3 drains.py PORT. After SIGUSR1 it answers with
Connection: close, and ends the connections that are idle.
"""

import selectors
import signal
import socket
import sys

draining = False
poll = selectors.DefaultSelector()
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
poll.register(server, selectors.EVENT_READ)


def drain(*_):
    global draining
    draining = True


def end(sock):
    poll.unregister(sock)
    sock.close()


def serve(sock):
    if not sock.recv(4096):
        end(sock)
        return
    close = b"Connection: close\r\n" if draining else b""
    sock.sendall(b"HTTP/1.1 200 OK\r\n%sContent-Length: 3\r\n\r\nok\n" % close)
    if draining:
        end(sock)


signal.signal(signal.SIGUSR1, drain)
while True:
    for key, _ in poll.select(0.05):
        if key.fileobj is server:
            poll.register(server.accept()[0], selectors.EVENT_READ)
        else:
            serve(key.fileobj)
    if draining:
        for key in [k for k in poll.get_map().values() if k.fileobj is not server]:
            end(key.fileobj)

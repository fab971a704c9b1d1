"""One thread waits in accept, and another one in epoll for all clients, as Tomcat and Jetty do."""

import os
import selectors
import socket
import sys
import threading

clients = selectors.EpollSelector()


def serve():
    while True:
        for key, _ in clients.select():
            head = key.fileobj.recv(65536)
            if not head:
                clients.unregister(key.fileobj)
                key.fileobj.close()
                continue
            body = b"pid=%d id=none\n" % os.getpid()
            key.fileobj.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
threading.Thread(target=serve, daemon=True).start()
while True:
    clients.register(listener.accept()[0], selectors.EVENT_READ)

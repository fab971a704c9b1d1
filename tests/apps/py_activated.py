"""sd_listen_fds(3) as it is written by hand in Python, and http.server on what it finds."""

import http.server
import os
import socket

import py_handler

assert int(os.environ["LISTEN_PID"]) == os.getpid(), os.environ["LISTEN_PID"]
assert int(os.environ["LISTEN_FDS"]) == 1


class Handler(py_handler.Handler):
    # A connection that is kept alive would keep every other client waiting.
    protocol_version = "HTTP/1.0"


server = http.server.HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=3)
assert server.socket.type == socket.SOCK_STREAM and server.socket.family == socket.AF_INET
assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
server.serve_forever()

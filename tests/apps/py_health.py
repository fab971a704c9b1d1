"""
An HTTP server whose health a test decides: py_health.py PORT DIR [ADDRESS]

/healthz answers 503 while DIR has a file named "ill", "ill-GENERATION" or "ill-PID", and nothing at
all while it has "hang-PID". Each such request becomes a line "PEER HOST AGENT" of DIR/seen.
"""

import http.server
import os
import socket
import sys
import time

import py_handler

PORT, DIR = int(sys.argv[1]), sys.argv[2]
ADDRESS = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"


def has(name):
    return os.path.exists(os.path.join(DIR, name))


class Handler(py_handler.Handler):
    protocol_version = "HTTP/1.0"

    def do_GET(self):
        if self.path != "/healthz":
            return super().do_GET()
        with open(os.path.join(DIR, "seen"), "a") as f:
            headers = self.headers["Host"], self.headers["User-Agent"]
            f.write("%s %s %s\n" % ((self.client_address[0],) + headers))
        while has("hang-%d" % os.getpid()):
            time.sleep(0.02)
        ill = ("ill", "ill-" + os.environ["BROKER_GENERATION"], "ill-%d" % os.getpid())
        self.send_error(503) if any(map(has, ill)) else self.send_error(204)


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET


Server((ADDRESS, PORT), Handler).serve_forever()

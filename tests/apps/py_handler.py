"""What the Python test servers answer; shared by those that are built on http.server."""

import http.server
import os
import signal
import time
import urllib.parse

PID = os.getpid()  # of the server, also in a child that answers for it


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece: a second piece would wait for the delayed ACK

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/crash":
            os.kill(PID, signal.SIGKILL)
        if url.path == "/slow":
            time.sleep(int(query["ms"]) / 1000)  # the work that this request asks for
        body = "pid=%d id=%s\n" % (PID, query.get("id", "none"))
        if url.path == "/env":
            body = "".join("%s=%s\n" % e for e in os.environ.items() if e[0].startswith("BROKER_"))
        data = body.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass

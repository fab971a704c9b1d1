"""http.server.HTTPServer: one connection at a time."""

import http.server
import sys

import py_handler


class Handler(py_handler.Handler):
    # A connection that is kept alive would keep every other client waiting.
    protocol_version = "HTTP/1.0"


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

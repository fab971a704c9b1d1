"""ForkingMixIn: a process per connection."""

import http.server
import socketserver
import sys

from py_handler import Handler


class Server(socketserver.ForkingMixIn, http.server.HTTPServer):
    pass


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

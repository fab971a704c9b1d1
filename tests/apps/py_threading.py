"""ThreadingHTTPServer: a thread per connection."""

import http.server
import sys

from py_handler import Handler

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

"""Clients as connection pools are: many connections, and on each a request now and then."""

import random
import select
import threading
import time

from . import tap
from .clients import connect, send_request


class KeepAlive:
    """
    `n` connections with `rate` requests a second on each, until stop(). A connection that was
    closed between two requests is opened again, as a pool does. What then is in .counts:

        answered    requests
        cut         answers that ended in the middle
        repeated    requests that were sent and not answered: into a connection that was closing
        closed      connections that were seen to be closed before the next request
    """

    def __init__(self, port, n=64, rate=4, path="/"):
        self._port, self._rate, self._path = port, rate, path
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.counts = dict.fromkeys(("answered", "cut", "repeated", "closed"), 0)
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(n)]
        tap.at_end(self.stop)
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        return self.counts

    def _count(self, what):
        with self._lock:
            self.counts[what] += 1

    def _client(self):
        sock = connect(self._port)
        while not self._stopped.wait(random.expovariate(self._rate)):
            if select.select([sock], [], [], 0)[0]:
                self._count("closed")
                sock.close()
                sock = connect(self._port)
            outcome = self._request(sock)
            self._count(outcome)
            if outcome != "answered":
                sock.close()
                sock = connect(self._port)
        sock.close()

    def _request(self, sock):
        data = b""
        try:
            send_request(sock, self._path, close=False)
            while not (b"\r\n\r\n" in data and data.endswith(b"\n") and b"pid=" in data):
                part = sock.recv(4096)
                if not part:
                    break
                data += part
            else:
                return "answered"
        except OSError:
            pass
        return "cut" if data else "repeated"

    def wait_answers(self, n, timeout=30):
        """`n` more of them."""
        before, deadline = self.counts["answered"], time.monotonic() + timeout
        while self.counts["answered"] < before + n:
            assert time.monotonic() < deadline, self.counts
            time.sleep(0.01)

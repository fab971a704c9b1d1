"""
Clients with connections that stay open, as browsers and proxies keep them. Some send a request
every now and then; some have sent one and wait. What ended between two requests is opened again.
"""

import http.client
import select
import socket
import threading
import time

from harness import at_end, wait_until


class KeepAlive:
    """
    busy, idle: how many connections. pause: seconds between two requests of a busy one.

    .answers    right ones
    .cut        requests that got no answer, or a part of one, described
    .lost_race  requests that met the end of a connection on the way; the client repeats them
    .ended      idle connections that the server has ended
    """

    def __init__(self, port, path="/", busy=8, idle=4, pause=0.1):
        self._port, self._path, self._pause, self._busy = port, path, pause, busy
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self.answers, self.lost_race, self.ended, self.cut = 0, 0, 0, []
        self._idle = [self._opened() for _ in range(idle)]
        self._threads = [threading.Thread(target=self._run) for _ in range(busy)]
        self._threads.append(threading.Thread(target=self._watch))
        for thread in self._threads:
            thread.start()
        at_end(self.stop)

    def _opened(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        assert self._ask(connection), "the server keeps no connection open"
        return connection

    def _ask(self, connection):
        """Whether the connection stays open. A wrong answer is an assertion, an end is an OSError."""
        connection.request("GET", self._path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, body)
        return not answer.will_close

    def _run(self):
        connection, requests = None, 0
        while not self._stopping.wait(self._pause):
            if connection and _readable(connection.sock):
                connection.close()  # it has ended while it was idle
                connection = None
            if not connection:
                connection, requests = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30), 0
            try:
                stays = self._ask(connection)
                with self._lock:
                    self.answers += 1
                requests += 1
            except (OSError, http.client.HTTPException, AssertionError) as error:
                stays = False
                ended = isinstance(error, (ConnectionError, http.client.RemoteDisconnected))
                with self._lock:
                    if requests and ended:
                        self.lost_race += 1
                    else:
                        self.cut.append("request %d of its connection: %r" % (requests + 1, error))
            if not stays:
                connection.close()
                connection = None
        if connection:
            connection.close()

    def _watch(self):
        left = list(self._idle)
        while left and not self._stopping.wait(0.05):
            for connection in [c for c in left if _readable(c.sock)]:
                left.remove(connection)
                assert connection.sock.recv(1, socket.MSG_DONTWAIT) == b""
                self.ended += 1
                connection.close()
        for connection in left:
            connection.close()

    def wait_answers(self, n, timeout=60):
        want = self.answers + n
        wait_until(lambda: self.answers >= want, timeout, lambda: "%d answers, cut: %s" % (n, self.cut[:5]))

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def assert_clean(self):
        self.stop()
        assert not self.cut, "%d cut: %s" % (len(self.cut), self.cut[:5])
        # It happens when the server ends what is idle; it must not happen to everybody.
        assert self.lost_race <= self._busy // 2, "%d of %d busy connections lost a request" % (self.lost_race, self._busy)


def _readable(sock):
    return sock is None or bool(select.select([sock], [], [], 0)[0])

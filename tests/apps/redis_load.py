"""A small redis client as load: the interface of Load, the promise of Load."""

import itertools
import socket
import threading
import time
import uuid

from harness import at_end

ADDRESSES = ("127.0.0.1", "::1")  # the two listeners of redis, in turn


class RedisLoad:
    """
    Connections one after another in each of a few threads: PING, INCR of a key that nobody else
    uses (so the answer is 1, and 2 would tell of a command that ran twice), and INFO for the pid.
    """

    def __init__(self, port, inflight):
        self.inflight = min(inflight, 8)
        self._port = port
        self._name = uuid.uuid4().hex
        self._changed = threading.Condition()
        self._keys = itertools.count()
        self._pids, self._errors, self._told = {}, {}, []
        self._stopping = False
        self._threads = [threading.Thread(target=self._run) for _ in range(self.inflight)]
        for thread in self._threads:
            thread.start()
        at_end(self.stop)

    def _run(self):
        for address in itertools.cycle(ADDRESSES):
            kind, pid = None, 0
            try:
                pid = self._ask(address, "%s-%d" % (self._name, next(self._keys)))
            except ConnectionRefusedError as error:
                kind = "refused", error
            except ConnectionError as error:
                kind = "reset", error
            except TimeoutError as error:
                kind = "timeout", error
            except EOFError as error:
                kind = "closed", error
            except AssertionError as error:
                kind = "wrong", error
            with self._changed:
                if kind:
                    self._errors[kind[0]] = self._errors.get(kind[0], 0) + 1
                    self._told.append("%s: %s" % kind)
                else:
                    self._pids[pid] = self._pids.get(pid, 0) + 1
                self._changed.notify_all()
                if self._stopping or len(self._told) >= 1000:
                    return

    def _ask(self, address, key):
        with socket.create_connection((address, self._port), timeout=30) as sock:
            sock.sendall(b"PING\r\nINCR %s\r\nINFO server\r\nQUIT\r\n" % key.encode())
            answer = b""
            for part in iter(lambda: sock.recv(65536), b""):
                answer += part
        if not answer.endswith(b"\r\n+OK\r\n"):
            raise EOFError("after %d bytes" % len(answer))
        assert answer.startswith(b"+PONG\r\n:1\r\n$"), answer[:100]
        pids = [line for line in answer.split(b"\r\n") if line.startswith(b"process_id:")]
        assert len(pids) == 1, answer
        return int(pids[0].split(b":")[1])

    def status(self):
        with self._changed:
            return self._status()

    def _status(self):
        return {
            "answers": sum(self._pids.values()),
            "failed": sum(self._errors.values()),
            "errors": dict(self._errors),
            "pids": dict(self._pids),
        }

    def complaints(self):
        return "\n".join(self._told[:5])

    def wait_answers(self, n, timeout=60):
        deadline = time.monotonic() + timeout
        with self._changed:
            want = self._status()["answers"] + n
            while self._status()["answers"] < want:
                left = deadline - time.monotonic()
                assert left > 0, "no %d answers in %g s; %s" % (n, timeout, self._told[:5])
                self._changed.wait(left)
            return self._status()

    def wait_pids(self, n=100):
        before = self.status()["pids"]
        after = self.wait_answers(n)["pids"]
        return {pid: m - before.get(pid, 0) for pid, m in after.items() if m > before.get(pid, 0)}

    def stop(self):
        self._stopping = True
        for thread in self._threads:
            thread.join(60)
        return self.status()

    def assert_clean(self):
        summary = self.stop()
        assert not summary["failed"], "%s\n%s" % (summary["errors"], self.complaints())
        assert summary["answers"] > 0, "the load got no answer at all"

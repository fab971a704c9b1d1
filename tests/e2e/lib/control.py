"""The control socket of a broker under test, as a script would use it: no program of ours."""

import json
import os
import socket
import time

from .proc import wait_until


class Refused(Exception):
    """The answer was an error; .code and .message say which."""

    def __init__(self, answer):
        super().__init__("%s: %s" % (answer["code"], answer["message"]))
        self.answer = answer
        self.code, self.message = answer["code"], answer["message"]


class Control:
    """
    One connection. ask("status web") returns the objects of the answer without its end, or raises
    Refused. For more than that: send() and line().
    """

    def __init__(self, broker_or_path, timeout=30):
        path = getattr(broker_or_path, "run_dir", None)
        self.path = os.path.join(path, "control") if path else broker_or_path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.path)  # waits while the backlog is full
        self.socket.settimeout(timeout)
        self._rest = b""

    def send(self, text):
        try:
            self.socket.sendall(text.encode() + b"\n")
        except BrokenPipeError:
            pass  # refused before we could ask: the answer says why

    def raw_line(self):
        """The next line without its newline; b"" at the end of the stream."""
        while b"\n" not in self._rest:
            part = self.socket.recv(65536)
            if not part:
                assert not self._rest, "half a line at the end: %r" % self._rest
                return b""
            self._rest += part
        line, self._rest = self._rest.split(b"\n", 1)
        return line

    def line(self):
        """The next object; None at the end of the stream."""
        raw = self.raw_line()
        return json.loads(raw.decode("utf-8")) if raw else None

    def answer(self):
        """The objects of one answer, its end included."""
        lines = []
        while not lines or lines[-1]["type"] not in ("end", "error"):
            one = self.line()
            assert one is not None, "the connection ended in an answer: %s" % lines
            lines.append(one)
        return lines

    def ask(self, text):
        self.send(text)
        lines = self.answer()
        if lines[-1]["type"] == "error":
            raise Refused(lines[-1])
        assert lines[-1]["ok"] is True, lines[-1]
        return lines[:-1]

    def wait_line(self, **fields):
        """The next object with these fields: for events that are followed."""
        while True:
            one = self.line()
            assert one is not None, "the connection ended before %s" % fields
            if all(one.get(k) == v for k, v in fields.items()):
                return one

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(broker, text):
    """One request on a connection of its own."""
    with Control(broker) as control:
        return control.ask(text)


def refusal(broker, text):
    """The error that a request is answered with."""
    try:
        got = ask(broker, text)
    except Refused as refused:
        return refused.answer
    raise AssertionError("%r was not refused: %s" % (text, got))


def status(broker, target=""):
    return ask(broker, ("status " + target).strip())


def worker(broker, name):
    """The line of one worker: of those in its slot, the newest."""
    return status(broker, name)[-1]


def wait_worker(broker, name, timeout=30, **fields):
    """Until its line has these fields; returns it."""
    seen = []

    def look():
        seen[:] = [worker(broker, name)]
        return seen[0] if all(seen[0].get(k) == v for k, v in fields.items()) else None

    return wait_until(look, timeout, lambda: "%s of %s; it is %s" % (fields, name, seen))


def ledger(broker, service="web"):
    line = next(o for o in status(broker, service) if o["type"] == "service")
    return line["ledger"]


def timed(broker, text):
    """(answer, seconds): for notes, not for checks."""
    before = time.monotonic()
    return ask(broker, text), time.monotonic() - before

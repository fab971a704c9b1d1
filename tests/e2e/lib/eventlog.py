"""The broker's JSON log, read while it is written."""

import json
import os
import threading
import time


class EventLog:
    """
    Reads lines from a descriptor (which it then owns) in a thread of its own, so that the writer
    never waits for the test. Positions count events: mark() now, look for what comes after later.
    """

    def __init__(self, fd):
        self._changed = threading.Condition()
        self._events = []
        self._lines = []
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(fd,), daemon=True)
        self._thread.start()

    def _read(self, fd):
        with os.fdopen(fd, "rb") as pipe:
            for line in pipe:
                text = line.decode("utf-8", "replace").rstrip("\n")
                try:
                    event = json.loads(text)
                except ValueError:
                    event = None
                with self._changed:
                    self._lines.append(text)
                    if isinstance(event, dict) and "event" in event:
                        event["position"] = len(self._events)
                        self._events.append(event)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self, timeout=5):
        """Waits for the end of the stream: all writers are gone."""
        self._thread.join(timeout)

    def lines(self):
        with self._changed:
            return list(self._lines)

    def tail(self, n=40):
        return "\n".join(line[:400] for line in self.lines()[-n:])

    def mark(self):
        """The position after everything seen so far."""
        with self._changed:
            return len(self._events)

    def find(self, words, since=0, fields=None):
        """All events whose word is in `words`, from position `since`, whose fields are as given."""
        with self._changed:
            return self._find(words, since, fields)

    def _find(self, words, since, fields):
        return [
            e
            for e in self._events[since:]
            if e["event"] in words and all(e.get(k) == v for k, v in (fields or {}).items())
        ]

    def wait(self, words, since=0, timeout=30, count=1, **fields):
        """
        Waits for the `count`-th such event and returns it. Raises AssertionError on timeout, or
        when the log has ended without it.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = self._find(words, since, fields)
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(
                        "%s: no event %s %s after position %d"
                        % (
                            "the log has ended" if self._ended else "waited %g s" % timeout,
                            "|".join(words),
                            fields or "",
                            since,
                        )
                    )
                self._changed.wait(left)

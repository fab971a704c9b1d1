"""A terminal's screen: what a program has drawn, as lines of text. What it does not know is an error."""

import re

_SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")
_UNFINISHED = re.compile(r"\x1b(\[\??[\d;]*)?$")


class Screen:
    def __init__(self, columns, rows):
        self.alternate = False
        self.cursor_shown = self.wraps = True
        self._rest = ""
        self._main = None
        self.resize(columns, rows)

    def resize(self, columns, rows):
        """As on a terminal, the content is lost here, because the program redraws it."""
        self.columns, self.rows = columns, rows
        self._clear()

    def _clear(self):
        self.cells = [[(" ", "")] * self.columns for _ in range(self.rows)]
        self.x = self.y = 0
        self.style = ""

    def feed(self, text):
        text = self._rest + text
        self._rest = ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
                continue
            found = _SEQUENCE.match(text, at)
            if not found:
                assert _UNFINISHED.match(text, at), "unknown sequence: %r" % text[at : at + 10]
                self._rest = text[at:]
                return
            self._do(*found.groups())
            at = found.end()

    def _put(self, c):
        if c == "\r":
            self.x = 0
        elif c == "\t":
            self.x = min(self.x // 8 * 8 + 8, self.columns - 1)
        elif c == "\n":
            if self.y == self.rows - 1:
                self.cells = self.cells[1:] + [[(" ", "")] * self.columns]
            else:
                self.y += 1
        else:
            assert c >= " ", "unknown control character %r" % c
            if self.x == self.columns:
                assert self.wraps, "a line is wider than the screen"
                self._put("\r")
                self._put("\n")
            self.cells[self.y][self.x] = (c, self.style)
            self.x += 1

    def _do(self, private, numbers, final):
        n = [int(number or 0) for number in numbers.split(";")]
        if private:
            for mode in n:
                self._mode(mode, final == "h")
        elif final == "m":
            self.style = "" if n == [0] else numbers
        elif final == "H":
            self.y = min(max(n[0], 1), self.rows) - 1
            self.x = min(max(n[-1] if len(n) > 1 else 1, 1), self.columns) - 1
        elif final == "K":
            assert n == [0], numbers
            self.cells[self.y][self.x :] = [(" ", "")] * (self.columns - self.x)
        elif final == "J":
            assert n == [0], numbers
            self._do("", "", "K")
            for y in range(self.y + 1, self.rows):
                self.cells[y] = [(" ", "")] * self.columns
        else:
            raise AssertionError("unknown sequence ESC [ %s %s" % (numbers, final))

    def _mode(self, mode, on):
        if mode == 1049 and on:
            self._main = (self.cells, self.x, self.y)
            self._clear()
        elif mode == 1049:
            self.cells, self.x, self.y = self._main
        if mode == 1049:
            self.alternate = on
        elif mode == 25:
            self.cursor_shown = on
        elif mode == 7:
            self.wraps = on
        else:
            raise AssertionError("unknown mode %d" % mode)

    def lines(self):
        return ["".join(c for c, _ in row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def styles(self, text):
        """The style of each place where `text` stands."""
        found = []
        for row in self.cells:
            line = "".join(c for c, _ in row)
            found += [row[m.start()][1] for m in re.finditer(re.escape(text), line)]
        return found

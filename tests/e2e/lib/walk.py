"""
A page that shows commands with what they answer, typed again: it must still be true.

In a page of Markdown, a block

    ```console
    $ brokerctl status web.1
    web.1  17  ...
    ```

is typed at terminal 1 and must answer with these lines, in this order; more may come between them.
Numbers may be others, `...` stands for anything, and blanks for any number of them. `(gdb) ` is typed
at the prompt of the debugger that was started before. Words behind `console` say which terminal (a
number) and what it needs (a program, or a key of the table that run() is given); without that the
block is passed over. A block of another kind with a name, as "ini broker.ini", is a file.
"""

import os
import re
import select
import shlex
import subprocess
import time

from . import proc, tap
from .broker import clean_environment
from .paths import BUILD

PROMPTS = ("$ ", "(gdb) ")
PATIENCE = 30
NUMBER = r"\d+(?:\.\d+)?(?: ?(?:ms|s|min)\b)?"


def blocks(text):
    """(words behind the fence, lines) of each block."""
    for words, body in re.findall(r"^```(\S[^\n]*)\n(.*?)^```$", text, re.M | re.S):
        yield words.split(), body.splitlines()


def expression(shown):
    """What a line of the page matches."""
    found = []
    for part in re.split(r"(\.\.\.|\s+|0x[0-9a-f]+|%s)" % NUMBER, shown.strip()):
        if part == "...":
            found.append(".*")
        elif part.isspace():
            found.append(r"\s+")
        elif part.startswith("0x"):
            found.append("0x[0-9a-f]+")
        elif re.fullmatch(NUMBER, part):
            found.append(NUMBER)
        else:
            found.append(re.escape(part))
    # gdb leaves "0x... in " out where a line begins.
    return re.compile(re.sub(r"^\.\*\\s\+", r"(?:.*\\s)?", "".join(found)))


class Terminal:
    """A shell. What runs in its foreground reads what is typed."""

    def __init__(self, name):
        self.name = name
        self.output, self.seen, self.commands = "", 0, 0
        env = clean_environment({
            "PATH": BUILD + ":" + os.environ["PATH"], "TERM": "dumb", "DEBUGINFOD_URLS": "",
            "GDBHISTFILE": "", "HOME": tap.tmp(), "LC_ALL": "C.UTF-8",
        })
        self.process = subprocess.Popen(
            ["bash", "--norc"], cwd=tap.tmp(), env=env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=proc.die_with_parent,
        )
        tap.current().diagnostics.append(
            lambda: "--- the end of terminal %s:\n%s" % (name, self.output[-3000:])
        )
        tap.current().cleanups.append(self.close)

    def _wait(self, there, what):
        deadline = time.monotonic() + PATIENCE
        fd = self.process.stdout.fileno()
        while True:
            got = there()
            if got:
                return got
            ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
            part = os.read(fd, 65536) if ready else b""
            assert part, "terminal %s: %s" % (self.name, what)
            self.output += part.decode("utf-8", "replace")

    def type(self, line):
        if line.startswith("(gdb) "):
            self._wait(lambda: self.output.endswith("(gdb) "), "no prompt for %r" % line)
            self._send(line[len("(gdb) ") :])
            self.output += "\n"  # as if it had been typed: what comes now is the answer
            return
        command = line[len("$ ") :]
        self.wait_idle("the end of what was started before %r" % command)
        # What was sent into the background may have answered meanwhile: that counts as new.
        if self.commands:
            self.seen = max(self.seen, self.output.index(self._mark()) + len(self._mark()))
        self.commands += 1
        self._send("eval %s; printf '\\n<%%d done>\\n' %d" % (shlex.quote(command), self.commands))

    def _send(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def _mark(self):
        """What the shell writes when the latest command is done."""
        return "\n<%d done>\n" % self.commands

    def wait_idle(self, what="the end of what runs"):
        self._wait(lambda: not self.commands or self._mark() in self.output, what)

    def expect(self, shown):
        wanted = expression(shown)

        def there():
            at = self.seen
            while "\n" in self.output[at:]:
                end = self.output.index("\n", at)
                line = re.sub(r"^(\(gdb\) )+", "", self.output[at:end]).strip()
                at = end + 1
                if wanted.fullmatch(line):
                    self.seen = at
                    return True
            return False

        self._wait(there, "this line of the page did not come:\n%s\nbut:\n%s" % (
            shown, self.output[self.seen :]))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


def run(text, has):
    """
    Types all that is in a page, or a part of one. `has(word)` says whether what a block needs is
    here. Returns all that the terminals have shown.
    """
    terminals = {}
    for words, lines in blocks(text):
        is_file = words[0] != "console"
        name = words.pop(1) if is_file and len(words) > 1 else None
        needs = [word for word in words[1:] if not word.isdigit()]
        if not all(map(has, needs)):
            continue
        if is_file:
            if name:
                tap.write_file(name, "\n".join(lines) + "\n")
            continue
        name = next((word for word in words[1:] if word.isdigit()), "1")
        if name not in terminals:
            terminals[name] = Terminal(name)
        for line in lines:
            if line.startswith(PROMPTS):
                terminals[name].type(line)
            elif line.strip() not in ("", "..."):
                terminals[name].expect(line)
    for terminal in terminals.values():
        terminal.wait_idle()
        terminal.close()
    return "".join(terminal.output for terminal in terminals.values())

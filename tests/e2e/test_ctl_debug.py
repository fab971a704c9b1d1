#!/usr/bin/env python3
"""brokerctl debug: which debugger is started how, and how long the worker stays held."""

import os
import signal
import sys

from harness import *
from lib import proc
from lib.ctl import *
from lib.terminal import Terminal

# Stands in for a debugger: says how it was called and which signals it ignores, then waits for its
# input to end or for a signal.
TOOL = """#!%s
import os, signal, sys
with open(os.environ["TOOL_SAYS"], "w") as f:
    f.write(" ".join(sys.argv[1:]))
    ignored = [s for s in (signal.SIGINT, signal.SIGQUIT) if signal.getsignal(s) == signal.SIG_IGN]
    f.write("\\nignored %%d, foreground %%s\\n" %% (
        len(ignored), sys.stdin.isatty() and os.tcgetpgrp(0) == os.getpgrp()))
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
os.rename(os.environ["TOOL_SAYS"], os.environ["TOOL_SAYS"] + ".done")
if "--leave" in sys.argv:
    sys.exit(3)
if "--close" in sys.argv:
    os.closerange(3, 1000)
while sys.stdin.readline():
    pass
"""


def debug_line(*command, **members):
    return dict({"type": "debug", "worker": "web.1", "pid": 812, "generation": 3, "pids": [812],
                 "command": list(command or ("of", "the broker"))}, **members)


def setup(request="debug web.1", *lines, command=""):
    write_file("tool", TOOL % sys.executable, 0o755)
    os.environ["TOOL_SAYS"] = tmp("says")
    fake = fake_control({request: list(lines) or [debug_line()]})
    fake.file = write_file(
        "web.ini", "[broker]\ncontrol = %s\n[service:web]\ncommand = x\ndebug_command = %s\n"
        % (fake.path, command or "%s -p {pid}" % tmp("tool")))
    return fake


def said():
    """How the tool was called, once it runs."""
    wait_until(lambda: os.path.exists(tmp("says.done")), 20, "the start of the tool")
    with open(tmp("says.done")) as f:
        text = f.read()
    os.unlink(tmp("says.done"))
    return text.split("\n")[:2]


def tool_pid(terminal):
    (pid,) = proc.descendants(terminal.pid)
    return pid


@test
def the_usual_debugger_runs_in_the_foreground():
    fake = setup()
    terminal = Terminal([BROKERCTL, "-c", fake.file, "debug", "web.1"], columns=120)
    session = fake.session()
    assert said() == ["-p 812", "ignored 0, foreground True"]
    terminal.wait_for("web.1 (pid 812) is held: it gets no connections")
    # Ctrl-C is the debugger's, and its exit status is ours.
    terminal.type("\x03")
    assert terminal.wait_exit() == 7
    terminal.wait_for("has ended, web.1 is released")
    assert session.gone.wait(20)


@test
def words_behind_the_dashes_are_the_debugger_and_are_not_sent():
    fake = setup("debug web.1 --from 127.0.0.1")
    got = ctl("-c", fake.file, "debug", "web.1", "--from", "127.0.0.1", "--", tmp("tool"), "--leave",
              "--json")
    assert got.returncode == 3, got
    assert said()[0] == "--leave --json -p 812"
    assert "send your own request from 127.0.0.1" in got.stderr, got.stderr
    assert fake.request() == "debug web.1 --from 127.0.0.1"


@test
def a_killed_brokerctl_leaves_the_worker_to_the_debugger():
    fake = setup()
    # Not on a terminal of its own: as its session leader, it would take the debugger with it.
    process = start_ctl("-c", fake.file, "debug", "web.1")
    session = fake.session()
    said()
    tool = tool_pid(process)
    send_signal(process.pid, signal.SIGKILL)
    process.wait(20)
    assert proc.alive(tool)
    assert not session.gone.wait(0.2), "released while the debugger runs"
    send_signal(tool, signal.SIGKILL)
    assert session.gone.wait(20)


@test
def a_debugger_that_closes_its_descriptors_does_not_release_the_worker():
    fake = setup(command="%s --close {pid}" % tmp("tool"))
    terminal = Terminal([BROKERCTL, "-c", fake.file, "debug", "web.1"], columns=120)
    session = fake.session()
    said()
    tool = tool_pid(terminal)
    wait_until(lambda: all(fd < 3 for fd in proc.fds(tool)), 20, "its descriptors to be closed")
    assert not session.gone.wait(0.2), "released while the debugger runs"
    send_signal(tool, signal.SIGTERM)
    assert terminal.wait_exit() == 128 + signal.SIGTERM
    assert session.gone.wait(20)


def news(message, **members):
    return dict({"type": "debugged", "worker": "web.1", "pid": 812, "generation": 3,
                 "state": "draining", "message": message}, **members)


@test
def what_becomes_of_the_worker_is_said_while_the_debugger_runs():
    # The first is there before the debugger is; the second comes while it has the terminal.
    fake = setup("debug web.1", debug_line(), end(), news("web.1 was replaced"), end())
    terminal = Terminal([BROKERCTL, "-c", fake.file, "debug", "web.1"], columns=120)
    session = fake.session()
    said()
    terminal.wait_for("brokerctl: web.1 was replaced")
    session.send(news("web.1 is\x1b[2J back", state="held"), {"type": "of-later"}, "no JSON",
                 news("web.1 has ended", state="dead"))
    terminal.wait_for(r"brokerctl: web.1 is\x1b[2J back")
    terminal.wait_for("brokerctl: web.1 has ended")
    assert proc.alive(tool_pid(terminal))
    terminal.type("\x03")
    assert terminal.wait_exit() == 7
    assert "tool has ended" in terminal.screen.text(), terminal.screen.text()
    assert "released" not in terminal.screen.text(), terminal.screen.text()


@test
def what_becomes_of_the_worker_afterwards_is_said_as_it_is():
    fake = setup()
    for states, words in (
        (("draining",), "; process 812, which was web.1, is left to end"),
        (("draining", "stopping"), "; process 812, which was web.1, is left to end"),
        (("parked",), "; process 812, which was web.1, is kept for a rollback"),
        (("parked", "held"), ", web.1 is released"),
        (("dead",), ""),
        (("of-later",), ""),
    ):
        told = [news("n", state=state) for state in states]
        fake.answers["debug web.1"] = [debug_line(), end(), *told]
        got = ctl("-c", fake.file, "debug", "web.1", "--", tmp("tool"), "--leave")
        assert got.stderr.endswith("tool has ended" + words + "\n"), (states, got.stderr)


@test
def the_end_of_the_broker_is_said_once_and_leaves_the_debugger_alone():
    fake = setup()
    terminal = Terminal([BROKERCTL, "-c", fake.file, "debug", "web.1"], columns=120)
    session = fake.session()
    said()
    session.close()
    terminal.wait_for("the broker has ended, or has closed the connection")
    assert proc.alive(tool_pid(terminal))
    terminal.type("\x03")
    assert terminal.wait_exit() == 7
    assert terminal.screen.text().count("closed the connection") == 1, terminal.screen.text()


@test
def a_debugger_that_is_not_there():
    fake = setup(command="no-such-debugger -p {pid}")
    got = ctl("-c", fake.file, "debug", "web.1")
    assert got.returncode == 1 and "no-such-debugger is not installed" in got.stderr, got
    assert "gdb" in got.stderr and "strace" in got.stderr
    assert fake.session().gone.wait(20)
    got = ctl("-c", fake.file, "debug", "web.1", "--", "rr", "record")
    assert got.returncode == 2 and "wrap.N" in got.stderr, got


@test
def what_is_refused_starts_nothing():
    fake = setup("debug web.1", error("refused", "web.1 is not ready"))
    got = ctl("-c", fake.file, "debug", "web.1")
    assert got.returncode == 1 and got.stderr == "brokerctl: web.1 is not ready\n", got
    for pid in (None, 0, 1, -1):
        fake.answers["debug web.1"] = [debug_line(pid=pid)]
        got = ctl("-c", fake.file, "debug", "web.1", "--", tmp("tool"))
        assert got.returncode == 1 and "has no process" in got.stderr, (pid, got)
    assert not os.path.exists(tmp("says.done"))


STRANGER = 54321  # nobody has it


@test
def what_the_broker_names_is_not_executed():
    fake = setup("debug web.1", debug_line(tmp("tool"), "{pid}"))
    got = ctl("-s", fake.path, "debug", "web.1")
    assert got.returncode == 2 and "executes only what it has read itself" in got.stderr, got
    assert tmp("tool") + " {pid}" in got.stderr and "name its file with -c" in got.stderr, got
    assert not os.path.exists(tmp("says.done"))
    # The file is read by brokerctl, and goes before what the broker says.
    write_file("web.ini", open(fake.file).read().replace("-p {pid}", "--leave {pid}"))
    assert ctl("-c", fake.file, "debug", "web.1").returncode == 3 and said()[0] == "--leave 812"
    assert ctl("debug", "web.1", cwd=tmp(), env={"BROKER_CONTROL": fake.path}).returncode == 2
    os.rename(fake.file, tmp("broker.ini"))
    assert ctl("debug", "web.1", cwd=tmp()).returncode == 3 and said()[0] == "--leave 812"
    # Nor is what a file says that anybody could have written, or that knows no such service.
    os.chmod(tmp("broker.ini"), 0o666)
    got = ctl("debug", "web.1", cwd=tmp())
    assert got.returncode == 2 and "can be written by everybody" in got.stderr, got
    os.chmod(tmp("broker.ini"), 0o644)
    fake.answers["debug api.1"] = [debug_line(worker="api.1")]
    got = ctl("debug", "api.1", cwd=tmp())
    assert got.returncode == 2 and "it has no [service:api]" in got.stderr, got
    assert not os.path.exists(tmp("says.done"))


@test
def the_usual_debugger_needs_no_file():
    fake = setup("debug web.1", debug_line("gdb", "-p", "{pid}"))
    os.mkdir(tmp("bin"))
    os.rename(tmp("tool"), tmp("bin", "gdb"))
    got = ctl("-s", fake.path, "debug", "web.1", env={"PATH": tmp("bin")})
    assert got.returncode == 0 and said()[0] == "-p 812", got
    # Which that is brokerctl knows: the words must be the same, not their sum.
    fake.answers["debug web.1"] = [debug_line("gdb -p", "{pid}")]
    got = ctl("-s", fake.path, "debug", "web.1", env={"PATH": tmp("bin")})
    assert got.returncode == 2 and not os.path.exists(tmp("says.done")), got


@test
def the_file_of_another_user_names_no_debugger_either():
    fake = setup()
    fake_becomes(fake, STRANGER)
    os.chown(fake.file, STRANGER, STRANGER)
    got = ctl("-c", fake.file, "debug", "web.1")
    assert got.returncode == 2 and "belongs to another user" in got.stderr, got
    got = ctl("-c", fake.file, "debug", "web.1", "--", tmp("tool"), "--leave")
    assert got.returncode == 3 and said()[0] == "--leave -p 812", got


@test
def json_starts_nothing():
    fake = setup()
    got = ctl("-c", fake.file, "debug", "web.1", "--json")
    assert got.returncode == 0 and '"pid":812' in got.stdout and not got.stderr, got


main()

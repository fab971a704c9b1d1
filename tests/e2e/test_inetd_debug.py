#!/usr/bin/env python3
"""brokerctl debug of an inetd service: the next process that serves somebody, before its main."""

import os
import socket

from harness import *
from lib.control import ask as ask_control
from lib.ctl import ctl
from lib.inetd import table_of
from lib.steering import ready_workers
from lib.tools import Gdb, Tool, debug, need

private_namespaces()

PROGRAM = "{apps}/inetd_line"
OWN = "127.0.0.2"  # who debugs sends from here
DEBUG = 4096 + 12  # handoff_processes::debug in the memory of a page


def service(**options):
    return Broker([PROGRAM, "word"], mode="inetd", listen="127.0.0.1:{port}", **options)


def begin(port, source="127.0.0.1"):
    client = socket.create_connection(("127.0.0.1", port), 30, source_address=(source, 0))
    client.sendall(b"hello\n")
    return client


def answer(client):
    with client:
        text = client.recv(4096)
    assert b"line=hello" in text, text
    return int(text.split(b"pid=")[1].split()[0])


def waits(client):
    """Whether nothing has come from the process yet."""
    client.setblocking(False)
    try:
        return not client.recv(1, socket.MSG_PEEK) and False
    except BlockingIOError:
        return True
    finally:
        client.settimeout(30)


def ask_gdb(tool, line):
    tool.say(line)
    tool.expect(r"^\(gdb\) ")


@test
def gdb_has_the_next_process_before_main_and_others_are_served():
    need("gdb")
    for park in ("main", "exec"):
        broker = service(workers=1, park=park)
        gdb = Tool(*debug(broker, "web.0", "--from", OWN), "gdb", *Gdb.OPTIONS)
        gdb.expect("next connection from your source: send")
        mine = begin(broker.port, OWN)
        pid = int(gdb.expect(r"process (\d+) of web.0 has a connection")[1])
        gdb.expect(r"^\(gdb\) ", 60)
        # Its worker is in the round again at once, and so is the same source.
        for source in ("127.0.0.1", OWN):
            assert answer(begin(broker.port, source)) != pid
        assert waits(mine)
        if park == "exec":
            ask_gdb(gdb, "set breakpoint pending on")
        ask_gdb(gdb, "break fgets")
        gdb.say("continue")
        gdb.expect(r"Breakpoint 1, .*fgets", 60)
        gdb.expect(r"^\(gdb\) ")
        assert waits(mine)
        ask_gdb(gdb, "detach")
        assert answer(mine) == pid
        gdb.say("quit")
        assert "gdb has ended\n" in gdb.end()
        assert ask_control(broker, "status web")
        broker.stop()


@test
def the_program_has_done_nothing_when_the_debugger_comes():
    broker = service(workers=2)
    # As a debugger that does not trace: it says what runs, and leaves.
    script = tmp("tool")
    write_file("tool", "#!/bin/sh\nshift\ncat /proc/$1/comm; ls -l /proc/$1/fd/0; read line; true\n", 0o755)
    tool = Tool(*debug(broker, "web.1"), script)
    tool.expect("next connection; --from")
    clients = [begin(broker.port) for _ in range(2)]
    pid = int(tool.expect(r"process (\d+) of web.1 has a connection, and waits")[1])
    tool.expect("inetd_line")
    tool.expect("socket:")
    (other,) = {answer(c) for c in clients if not wait_quietly(c)}
    assert other != pid
    held = [c for c in clients if c.fileno() >= 0]
    assert len(held) == 1 and waits(held[0])
    # It ends without having traced: the process goes on.
    tool.end()
    assert answer(held[0]) == pid


def wait_quietly(client):
    """Of two, one is answered at once; the other is not as long as it is debugged."""
    client.settimeout(0.3)
    try:
        client.recv(1, socket.MSG_PEEK)
        return False
    except socket.timeout:
        return True
    finally:
        client.settimeout(30)


@test
def whoever_waits_for_the_next_process_may_leave():
    broker = service(workers=1)
    tool = Tool(*debug(broker, "web.0"), "true")
    tool.expect("next connection")
    got = ctl("-c", broker.file, "debug", "web.0", "--", "true")
    assert "already being debugged" in got.stderr, got
    tool.signal(signal.SIGINT)
    tool.process.wait(10)
    with table_of(ready_workers(broker)["web.0"]) as table:
        wait_until(lambda: table[DEBUG:DEBUG + 4] == bytes(4))
    answer(begin(broker.port))


@test
def a_worker_that_leaves_has_no_next_process():
    broker = service(workers=1)
    tool = Tool(*debug(broker, "web.0"), "true")
    tool.expect("next connection")
    broker.reload_and_wait()
    assert "no longer serves" in tool.end(1)


@test
def a_false_table_leads_no_debugger_to_a_process_of_others():
    broker = service(workers=1)
    tool = Tool(*debug(broker, "web.0"), "echo", "attached to {pid}")
    tool.expect("next connection")
    with table_of(ready_workers(broker)["web.0"]) as table:
        table[DEBUG:DEBUG + 4] = broker.main_pid.to_bytes(4, "little")
        text = tool.end(1)
        assert "process %d is none of web.0" % broker.main_pid in text
        assert "attached" not in text
    answer(begin(broker.port))


main()

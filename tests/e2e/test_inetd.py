#!/usr/bin/env python3
"""A process for each connection, made from one that is parked."""

import os
import re
import threading

from harness import *
from lib import proc
from lib.steering import ready_workers

PROGRAM = "{apps}/inetd_line"


def service(command=None, **options):
    return Broker(command or [PROGRAM, "word"], mode="inetd", listen="127.0.0.1:{port}", **options)


def ask(port, line="hello", keep=False):
    """The answer as a dictionary; with `keep`, and the socket."""
    client = connect(port)
    client.sendall(line.encode() + b"\n")
    text = b""
    while not text.endswith(b"\n"):
        part = client.recv(4096)
        assert part, "no answer: %r" % text
        text += part
    answer = dict(re.findall(r"(\w+)=(\S+)", text.decode()))
    if keep:
        return answer, client
    client.close()
    return answer


@test
def each_connection_has_a_process_of_its_own():
    for park in ("main", "exec"):
        broker = service(workers=2, park=park)
        answers = [ask(broker.port) for _ in range(40)]
        assert len({a["pid"] for a in answers}) == 40
        zygotes = {str(pid) for pid in ready_workers(broker).values()}
        assert {a["ppid"] for a in answers} == zygotes, park
        assert {(a["line"], a["arg"]) for a in answers} == {("hello", "word")}
        broker.stop()


@test
def its_environment_says_who_the_client_is():
    for park in ("main", "exec"):
        broker = service(workers=1, park=park)
        answer, client = ask(broker.port, "hold", keep=True)
        host, port = client.getsockname()
        assert answer["ip"] == host and answer["port"] == str(port), answer
        assert answer["local"] == "127.0.0.1:%d" % broker.port and answer["proto"] == "TCP", answer
        client.close()
        broker.stop()


main()

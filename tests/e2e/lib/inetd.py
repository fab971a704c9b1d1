"""Clients of a service with a process for each connection, and its table (handoff_process.h)."""

import mmap
import os
import re

from .clients import connect
from .proc import wait_until


def ask_line(port, line):
    """The line that answers, and the socket."""
    client = connect(port)
    client.sendall(line.encode() + b"\n")
    text = b""
    while not text.endswith(b"\n"):
        part = client.recv(4096)
        assert part, "no answer: %r" % text
        text += part
    return text.decode(), client


def ask(port, line="hello", keep=False):
    """The answer as a dictionary; with `keep`, and the socket."""
    text, client = ask_line(port, line)
    answer = dict(re.findall(r"(\w+)=(\S+)", text))
    if keep:
        return answer, client
    client.close()
    return answer


def table_of(zygote):
    """The page of its channel, and the table of processes behind it."""
    (fd,) = [fd for fd in os.listdir("/proc/%d/fd" % zygote)
             if "broker-page" in os.readlink("/proc/%d/fd/%s" % (zygote, fd))]
    with open("/proc/%d/fd/%s" % (zygote, fd), "r+b", buffering=0) as memory:
        return mmap.mmap(memory.fileno(), 0)


def ends(broker, n):
    return wait_until(lambda: (lambda e: e if len(e) >= n else None)(
        broker.events("connection-end")), what="%d ends" % n)

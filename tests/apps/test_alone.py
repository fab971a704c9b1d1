#!/usr/bin/env python3
"""The same apps without the broker: what fails here is not the broker's fault."""

import os

import behind
from behind import TABLE, Load, Server, add_test, free_port, http_get, main, skip, tmp


def check(row):
    if row.missing():
        skip("not installed: " + ", ".join(row.missing()))
    os.mkdir(tmp("app"))
    ports = [free_port() for _ in range(row.ports)]
    Server(row.command(tmp("app"), ports), ports=ports)
    loads = [row.load(port, behind.INFLIGHT, "/") for port in ports]
    if row.keepalive:
        loads.append(Load(ports[0], inflight=4, keepalive=20))
    for load in loads:
        assert len(load.wait_answers(300)["pids"]) <= row.processes
        load.assert_clean()
    if row.env:
        assert http_get(ports[0], "/env").status == 200
        assert http_get(ports[0], "/slow?ms=1&id=x").id == "x"


for row in TABLE:
    if row.group != "c":  # those are in tests/e2e/test_harness.py
        add_test(row.name + " alone", lambda row=row: check(row))
main()

#!/usr/bin/env python3
"""What a listening socket says to calls that it is not for, and that no client is lost by them."""

import subprocess

from harness import *


def native_answer():
    """Of the same program without a broker: the kernel's word on each call."""
    port = free_port()
    process = subprocess.Popen(app("srv_calls", port), stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: not refused(port))
        return http_get(port).body.splitlines()
    finally:
        process.terminate()
        process.wait(30)


@test
def each_call_says_what_the_kernel_says_and_takes_no_client():
    want = native_answer()
    assert len(want) > 30 and sum("-1 ENOTCONN" in line for line in want) > 10, want
    broker = Broker(app("srv_calls"), workers=2)
    for _ in range(4):
        got = http_get(broker.port).body.splitlines()
        assert got == want, [pair for pair in zip(got, want) if pair[0] != pair[1]]
    assert broker.stop()["refused"] == 0


main()

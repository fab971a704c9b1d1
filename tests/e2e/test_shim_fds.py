#!/usr/bin/env python3
"""The preload library: descriptors that are copied, closed, reused and shut down."""

import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403


# --- descriptors ------------------------------------------------------------------------------


def hidden_fds(pid):
    """The sockets that the library keeps for itself: those above the app's own."""
    found = []
    for name in os.listdir("/proc/%d/fd" % pid):
        if int(name) >= 1000:
            found.append(int(name))
    return sorted(found)


@test
def the_apps_closes_do_not_reach_our_descriptors(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    hidden = hidden_fds(p.proc.pid)
    eq(len(hidden), 3)
    for number in hidden:
        eq(p("close %d" % number), "-1 EBADF")
        eq(p("rawclose %d" % number), "-1 EBADF")
        eq(p("dup %d" % number), "-1 EBADF")
        eq(p("dupfd %d 3" % number), "-1 EBADF")
        eq(p("dupfd64 %d 3" % number), "-1 EBADF")
        eq(p("dup2 0 %d" % number), str(number))  # the number is the app's: ours moves on
        eq(p("close %d" % number), "0")
    eq(len(hidden_fds(p.proc.pid)), 3)
    eq(p("closerange %d %d 0" % (fd + 1, 0xffffffff)), "0")
    assert hello.held()
    check_serves(p, broker, channel, fd)
    eq(p("closerange 3 %d 0" % 0xffffffff), "0")
    assert hello.gone()
    eq(hidden_fds(p.proc.pid), [])


@test
def a_close_range_that_fails_closes_nothing(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    eq(p("closerange 3 %d 0x80" % 0xffffffff), "-1 EINVAL")
    assert hello.held()
    check_serves(p, broker, channel, fd)


@test
def copies_listen_and_the_last_close_is_the_goodbye(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    copies = [p.num("dup %d" % fd), p.num("dupfd %d 20" % fd), p.num("dup2 %d 30" % fd)]
    eq(p("close %d" % p.num("dupfd64 %d 40" % fd)), "0")
    for copy in copies:
        check_serves(p, broker, channel, copy)
        eq(p("sockname %d" % copy), "0 2 0.0.0.0 3000 16")
    eq(p("close %d" % fd), "0")
    eq(p("dup2 0 %d" % copies[0]), str(copies[0]))  # replaced: no listener any more
    eq(p("close %d" % copies[1]), "0")
    assert hello.held()
    check_serves(p, broker, channel, copies[2])
    eq(p("close %d" % copies[2]), "0")
    assert hello.gone()
    # And the address is free again.
    p.listen()


@test
def a_number_that_was_reused_behind_our_back_is_not_the_listener(broker):
    p = broker.puppet()
    fd, hello, _ = p.listen("::", 3000)
    eq(p("hiddenclose %d" % fd), "0")
    eq(p.num("socket %d %d" % (INET, STREAM)), fd)
    eq(p("bind %d 127.0.0.1 0" % fd), "0")
    assert hello.gone()  # found out at bind()
    eq(p("listen %d" % fd), "0")
    port = int(p("sockname %d" % fd).split()[3])
    with socket.create_connection(("127.0.0.1", port)):
        eq(p("accept %d 0" % fd).split()[1:3], ["2", "127.0.0.1"])


@test
def a_stale_listener_is_found_out_by_accept_itself(broker):
    p = broker.puppet()
    fd, hello, _ = p.listen("::", 3000)
    path = os.path.join(broker.dir, "fds")
    fds = p.num("socket %d %d" % (UNIX, STREAM))
    eq(p("bindunix %d %s" % (fds, path)), "0")
    eq(p("listen %d" % fds), "0")
    with socket.socket(socket.AF_UNIX) as ours, socket.socket() as plain:
        ours.connect(path)
        plain.bind(("127.0.0.1", 0))
        plain.listen()
        conn = p.num("accept %d 0" % fds)
        # A real listening socket arrives at the number, by a call that nobody stands before.
        eq(p("hiddenclose %d" % fd), "0")
        send_fds(ours, b"x", [plain.fileno()])
        eq(p.num("recvfd %d" % conn), fd)
        with socket.create_connection(plain.getsockname()):
            eq(p("accept %d 0" % fd).split()[1:3], ["2", "127.0.0.1"])
    assert hello.gone()


@test
def a_hidden_number_that_was_reused_behind_our_back_is_the_apps(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    one, two, three = hidden_fds(p.proc.pid)
    for number in (one, two, three):
        eq(p("hiddendup2 0 %d" % number), str(number))
    check_serves(p, broker, channel, fd)
    eq(p("close %d" % one), "0")
    eq(p("getfd %d" % one), "-1 EBADF")
    eq(p("close %d" % fd), "0")  # the end of the listener does not take the app's descriptors
    eq(p("getfd %d" % two), "0")
    eq(p("getfd %d" % three), "0")


@test
def two_listeners_do_not_mix(broker):
    p = broker.puppet()
    a, hello_a, channel_a = p.listen(port=3000)
    b, hello_b, channel_b = p.listen(port=3001)
    check_serves(p, broker, channel_b, b)
    check_serves(p, broker, channel_a, a)
    eq(p("close %d" % a), "0")
    assert hello_a.gone() and hello_b.held()
    check_serves(p, broker, channel_b, b)


# --- shutdown and close while another thread waits ----------------------------------------------


def wait_for_sleeping_thread(pid):
    """Until a second thread of @pid sleeps in recvmsg (47 on x86-64, 212 elsewhere)."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        for tid in os.listdir("/proc/%d/task" % pid):
            if int(tid) == pid:
                continue
            try:
                with open("/proc/%d/task/%s/syscall" % (pid, tid)) as f:
                    if f.read().split()[0] in ("47", "212"):
                        return
            except (OSError, IndexError):
                pass
        os.sched_yield()
    raise AssertionError("no thread waits in accept()")


@test
def shutdown_wakes_a_thread_in_accept(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    p.say("threadaccept %d" % fd)
    wait_for_sleeping_thread(p.proc.pid)
    p.say("shutdown %d %d" % (fd, socket.SHUT_RDWR))
    eq(sorted([p.answer(), p.answer()]), ["-1 EINVAL", "0"])
    eq(p("accept %d 0" % fd), "-1 EINVAL")
    eq(p("getopt %d %d %d" % (fd, SOL, socket.SO_ACCEPTCONN)), "0 0")
    assert hello.gone()
    try:
        channel.send(broker)
        raise AssertionError("the broker must be told")
    except BrokenPipeError:
        pass
    p.say("listen %d" % fd)
    channel = broker.welcome(broker.hello())
    eq(p.answer(), "0")
    check_serves(p, broker, channel, fd)


@test
def shutdown_leaves_what_waits_to_the_broker(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    for _ in range(3):
        channel.send(broker)
    eq(p("shutdown %d %d" % (fd, socket.SHUT_RD)), "0")
    assert hello.gone()
    eq(channel.take_back(), 3)


@test
def close_under_a_thread_in_accept_says_goodbye(broker):
    p = broker.puppet()
    fd, hello, channel = p.listen()
    p.say("threadaccept %d" % fd)
    wait_for_sleeping_thread(p.proc.pid)
    eq(p("close %d" % fd), "0")
    assert hello.gone()
    client = channel.send(broker)  # as with TCP: an accept that already waits still gets one
    assert p.answer().endswith("from the thread")
    client.close()


if __name__ == "__main__":
    sys.exit(main())

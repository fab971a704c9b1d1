#!/usr/bin/env python3
"""The preload library: how long connections waited, counted in a page shared with the broker."""

import fcntl
import mmap
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403

SIZE, BUCKETS = 4096, 32


class Page:
    """As the broker makes it."""

    def __init__(self, broker, size=SIZE):
        self.fd = os.memfd_create("page", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        fcntl.fcntl(self.fd, 1033, 2 | 4 | 1)  # F_ADD_SEALS: shrink, grow, seal
        self.map = mmap.mmap(self.fd, size, mmap.MAP_SHARED, mmap.PROT_READ) if size else None
        broker.open.append(self)

    def counts(self):
        return struct.unpack_from("=%dQ" % BUCKETS, self.map)

    def sum_ns(self):
        return struct.unpack_from("=Q", self.map, 8 * BUCKETS)[0]

    def close(self):
        if self.map:
            self.map.close()
        os.close(self.fd)


@test
def each_accept_counts_once_with_the_time_since_the_broker_accepted(broker):
    p, page = broker.puppet(), Page(broker)
    fd, _, channel = p.listen(page=page.fd)
    eq(sum(page.counts()), 0)
    for n in range(1, 4):
        began = time.monotonic_ns()
        before = page.sum_ns()
        check_serves(p, broker, channel, fd)
        took = page.sum_ns() - before
        eq(sum(page.counts()), n)
        assert 0 < took <= time.monotonic_ns() - began, took
        bucket = max(0, (-(-took // 1000) - 1).bit_length())
        assert page.counts()[bucket] >= 1, (took, page.counts())


@test
def what_accept_did_not_get_is_not_counted(broker):
    p, page = broker.puppet(), Page(broker)
    fd, _, channel = p.listen(flags=NONBLOCK, page=page.fd)
    eq(p("accept %d 0" % fd), "-1 EAGAIN")
    eq(sum(page.counts()), 0)
    channel.send(broker)
    eq(channel.take_back(), 1)
    eq(p("accept %d 0" % fd), "-1 EAGAIN")
    eq(sum(page.counts()), 0)


@test
def a_child_counts_in_the_same_page(broker):
    p, page = broker.puppet(), Page(broker)
    fd, _, channel = p.listen(page=page.fd)
    check_serves(p, broker, channel, fd)
    eq(p("fork"), "0")
    check_serves(p, broker, channel, fd)
    eq(sum(page.counts()), 2)
    p.ends()


@test
def a_program_that_was_executed_counts_again(broker):
    p, page = broker.puppet(), Page(broker)
    fd, _, channel = p.listen(page=page.fd)
    check_serves(p, broker, channel, fd)
    p.say("exec")
    hello = broker.hello()
    eq(hello.channel, channel.number)
    broker.welcome(hello, channel, page=page.fd)
    check_serves(p, broker, channel, fd)
    eq(sum(page.counts()), 2)


@test
def without_a_page_nothing_is_counted_and_all_works(broker):
    p = broker.puppet()
    fd, _, channel = p.listen()
    check_serves(p, broker, channel, fd)


@test
def what_is_no_page_does_no_harm(broker):
    small = Page(broker, size=100)
    nothing = os.open("/dev/null", os.O_RDWR)
    unreadable = os.open(os.path.join(broker.dir, "file"), os.O_WRONLY | os.O_CREAT)
    os.ftruncate(unreadable, SIZE)
    for fd in (small.fd, nothing, unreadable):
        p = broker.puppet()
        listening, _, channel = p.listen(page=fd)
        check_serves(p, broker, channel, listening)
        p.ends()
    os.close(nothing)
    os.close(unreadable)


@test
def it_keeps_no_descriptor_and_no_more_pages_than_listeners(broker):
    p, pages = broker.puppet(), [Page(broker) for _ in range(3)]
    for page in pages:
        fd, _, channel = p.listen(page=page.fd)
        check_serves(p, broker, channel, fd)
        eq(p("close %d" % fd), "0")
    links = [os.readlink("/proc/%d/fd/%s" % (p.proc.pid, n)) for n in os.listdir("/proc/%d/fd" % p.proc.pid)]
    assert not [link for link in links if "memfd" in link], links
    with open("/proc/%d/maps" % p.proc.pid) as maps:
        eq(maps.read().count("memfd:page"), 1)
    eq([sum(page.counts()) for page in pages], [1, 1, 1])


@test
def one_listener_with_a_page_and_one_without(broker):
    p, page = broker.puppet(), Page(broker)
    fd, _, channel = p.listen(page=page.fd)
    eq(p("close %d" % fd), "0")
    # The slot and the mapping are used again: the old page must not count for it.
    fd, _, channel = p.listen(port=3001)
    check_serves(p, broker, channel, fd)
    eq(sum(page.counts()), 0)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What the app says of its listening socket holds for the broker's, or the start is refused."""

import ctypes
import os
import signal
import socket
import subprocess
import sys

from harness import *
from lib.tools import need

private_namespaces()

SOL, TCP, IP, IP6 = socket.SOL_SOCKET, socket.IPPROTO_TCP, socket.IPPROTO_IP, socket.IPPROTO_IPV6
DEVICE = (SOL, socket.SO_BINDTODEVICE, b"mgmt0\0")
DEFER = (TCP, socket.TCP_DEFER_ACCEPT, 30)

# The app says what it says in `early`, before listen(), and in `late`, after it.
APP = """
import ctypes, os, socket, struct, sys
s = socket.socket({family})
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
libc, kept = ctypes.CDLL(None, use_errno=True), []
def pointer(data):
    kept.append(ctypes.create_string_buffer(bytes(data)))
    return ctypes.addressof(kept[-1])
def say(level, name, value):
    if isinstance(value, tuple):  # a program of classic BPF
        value = struct.pack("HxxxxxxP", len(value) // 8, pointer(value))
    elif isinstance(value, list):  # one of eBPF: x86-64 has number 321 for bpf(2)
        attributes = struct.pack("IIPP", 1, len(value) // 8, pointer(value), pointer(b"GPL")) + bytes(96)
        value = libc.syscall(321, 5, attributes, len(attributes))
    if isinstance(value, int):
        value = struct.pack("i", value)
    if libc.setsockopt(s.fileno(), level, name, value, len(value)):
        raise OSError(ctypes.get_errno(), "setsockopt %d %d" % (level, name))
for option in {early!r}:
    say(*option)
s.bind(({address!r}, {port}))
for option in {bound!r}:
    say(*option)
s.listen(64)
for option in {late!r}:
    say(*option)
if {crash!r}:
    sys.exit("no luck")
while True:
    conn = s.accept()[0]
    conn.recv(65536)
    conn.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\npid=%d id=x" % os.getpid())
    conn.close()
"""


def app_that_says(early=(), late=(), family="socket.AF_INET", address="0.0.0.0", port="{port}",
                  bound=(), crash=False):
    write_file("app.py", APP.format(family=family, early=list(early), late=list(late),
                                    bound=list(bound), address=address, port="int(sys.argv[1])", crash=crash))
    return [sys.executable, tmp("app.py"), port]


def mgmt0():
    """A device beside lo, from which nobody comes."""
    need("ip")
    if "mgmt0" not in [name for _, name in socket.if_nameindex()]:
        made = subprocess.run(["ip", "link", "add", "mgmt0", "type", "veth", "peer", "mgmt1"],
                              capture_output=True, text=True)
        if made.returncode:
            skip("no second device: " + made.stderr.strip())


def listener_of(broker, port=None):
    """A copy of the broker's listener."""
    for fd in faults.open_descriptors(broker.main_pid):
        copy = faults.copy_descriptor(broker.main_pid, fd)
        if copy < 0:
            continue
        try:
            sock = socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            continue
        if sock.family in (socket.AF_INET, socket.AF_INET6) and (
                sock.getsockopt(SOL, socket.SO_ACCEPTCONN) and sock.getsockname()[1] == (port or broker.port)):
            return sock
        sock.close()
    raise AssertionError("the broker has no such listener")


def option_of(broker, level, name, size=0, port=None):
    with listener_of(broker, port) as sock:
        return sock.getsockopt(level, name, size) if size else sock.getsockopt(level, name)


def device_of(broker):
    return option_of(broker, SOL, socket.SO_BINDTODEVICE, 16).rstrip(b"\0")


def refusal(command, **service):
    """What the broker says of the start of an app that it must refuse."""
    broker = Broker(command, workers=1, wait_ready=False, **service)
    # One that says it after listen(2) has been ready for a moment.
    failed = broker.log.wait(["worker-failed", "worker-exit"])
    return failed["message"] + failed.get("last_output", "")


@test
def an_app_bound_to_a_device_is_reached_from_there_alone():
    mgmt0()
    broker = Broker(app_that_says([DEVICE]), workers=2)
    assert device_of(broker) == b"mgmt0"
    assert refused(broker.port)
    broker.reload_and_wait()
    assert device_of(broker) == b"mgmt0" and refused(broker.port)


@test
def a_listen_line_does_not_widen_it():
    mgmt0()
    gate = Gate()
    command = app_that_says([DEVICE])
    broker = Broker(["sh", "-c", "read go < %s; exec \"$@\"" % gate.path, "app"] + command[:-1] +
                    ["3999"], workers=1, listen="{port} for 3999", wait_ready=False)
    broker.wait_event("listen")
    early = connect(broker.port)
    send_request(early)
    gate.open()
    broker.wait_ready()
    try:
        assert early.recv(100) == b"", "it was answered"
    except ConnectionResetError:
        pass
    assert device_of(broker) == b"mgmt0" and refused(broker.port)


OPTIONS = [
    (IP, 21, 3, "IP_MINTTL"), (IP, 19, 1, "IP_TRANSPARENT"), (SOL, 36, 7, "SO_MARK"),
    (SOL, 49, 1, "SO_INCOMING_CPU"), (TCP, socket.TCP_DEFER_ACCEPT, 30, "TCP_DEFER_ACCEPT"),
    (TCP, 23, 5, "TCP_FASTOPEN"),
]


def native(family, options):
    """What the kernel makes of it without a broker."""
    with socket.socket(family) as sock:
        for level, name, value in options:
            sock.setsockopt(level, name, value)
        return [sock.getsockopt(level, name) for level, name, _ in options]


@test
def each_option_is_that_of_the_app():
    options = [option[:3] for option in OPTIONS]
    broker = Broker(app_that_says(options), workers=2)
    want = native(socket.AF_INET, options)
    assert [option_of(broker, level, name) for level, name, _ in options] == want


@test
def the_options_of_ipv6_too():
    options = [(IP6, 73, 2), (IP6, 75, 1)]  # IPV6_MINHOPCOUNT, IPV6_TRANSPARENT
    broker = Broker(app_that_says(options, family="socket.AF_INET6", address="::"))
    want = native(socket.AF_INET6, options)
    assert [option_of(broker, level, name) for level, name, _ in options] == want


@test
def what_is_set_after_listen_holds_as_well():
    mgmt0()
    broker = Broker(app_that_says(late=[DEVICE, DEFER, (SOL, 36, 7)]), workers=2)
    wait_until(lambda: option_of(broker, SOL, 36) == 7)
    assert device_of(broker) == b"mgmt0" and refused(broker.port)
    assert option_of(broker, *DEFER[:2]) == native(socket.AF_INET, [DEFER])[0]


@test
def a_minimal_ttl_holds_for_ipv6_clients_of_the_broker():
    broker = Broker(app_that_says([(IP, 21, 255)], port="3999"), listen="{port} for 3999")
    with listener_of(broker) as sock:
        assert sock.family == socket.AF_INET6
        assert (sock.getsockopt(IP, 21), sock.getsockopt(IP6, 73)) == (255, 255)


BY_SIGNAL = """
import fcntl, os, signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
s = socket.socket()
s.setblocking(False)
fcntl.fcntl(s, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(s, 10, signal.SIGUSR2)  # F_SETSIG
fcntl.fcntl(s, fcntl.F_SETFL, fcntl.fcntl(s, fcntl.F_GETFL) | os.O_ASYNC)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(64)
while True:
    signal.sigwait([signal.SIGUSR2])
    try:
        while True:
            conn = s.accept()[0]
            conn.recv(65536)
            conn.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\npid=%d id=x" % os.getpid())
            conn.close()
    except BlockingIOError:
        pass
"""


@test
def an_app_that_wants_a_signal_for_each_client_gets_it():
    broker = Broker([sys.executable, write_file("by_signal.py", BY_SIGNAL), "{port}"], workers=2)
    for _ in range(6):
        assert http_get(broker.port).status == 200


@test
def clients_that_say_nothing_do_not_keep_a_deferring_app_busy():
    broker = Broker(app_that_says([DEFER]), workers=2)
    idle = [connect(broker.port) for _ in range(4)]
    for _ in range(6):
        assert http_get(broker.port).status == 200
    for sock in idle:
        sock.close()


@test
def the_app_goes_before_the_file_and_a_reload_forgets_neither():
    broker = Broker(app_that_says([DEFER]), tcp_defer_accept="3s", tcp_fastopen=9)
    want = native(socket.AF_INET, [DEFER, (TCP, 23, 9)])
    assert [option_of(broker, TCP, name) for name in (DEFER[1], 23)] == want
    broker.reload_and_wait()
    assert [option_of(broker, TCP, name) for name in (DEFER[1], 23)] == want
    app_that_says()
    broker.reload_and_wait()
    want = native(socket.AF_INET, [(TCP, DEFER[1], 3)])[0]
    wait_until(lambda: option_of(broker, *DEFER[:2]) == want)


@test
def an_aborted_deploy_leaves_it_as_it_was():
    mgmt0()
    broker = Broker(app_that_says(), workers=1, probation="1m")
    app_that_says([DEVICE], crash=True)
    broker.reload_and_wait(want="reload-aborted")
    wait_until(lambda: device_of(broker) == b"")
    assert http_get(broker.port).status == 200


@test
def a_deploy_changes_it():
    mgmt0()
    broker = Broker(app_that_says(), workers=1)
    app_that_says([DEVICE])
    broker.reload_and_wait()
    assert device_of(broker) == b"mgmt0"
    app_that_says()
    broker.reload_and_wait()
    wait_until(lambda: device_of(broker) == b"")
    assert http_get(broker.port).status == 200


@test
def one_worker_that_restricts_the_listener_does_it_for_all():
    mgmt0()
    broker = Broker(app_that_says(), workers=1)
    app_that_says([DEVICE])
    broker.signal(signal.SIGTTIN)
    broker.wait_event("worker-ready", worker="web.1")
    assert device_of(broker) == b"mgmt0"
    app_that_says()
    broker.signal(signal.SIGTTIN)
    broker.wait_event("worker-ready", worker="web.2")
    assert device_of(broker) == b"mgmt0"


@test
def another_network_namespace_is_refused():
    said = refusal(["unshare", "-n"] + app_that_says())
    assert "another network namespace" in said and "ip netns exec" in said, said


@test
def unless_the_file_says_where_its_clients_connect():
    broker = Broker(["unshare", "-n"] + app_that_says(), listen="127.0.0.1:{port}")
    assert http_get(broker.port).status == 200


@test
def a_listen_line_that_comes_later_does_not_widen_it_either():
    mgmt0()
    broker = Broker(app_that_says([DEVICE], address="127.0.0.1"), workers=1)
    broker.configure(app_that_says([DEVICE], address="127.0.0.1"), workers=1,
                     listen="{port2} for {port}")
    broker.reload_and_wait()
    assert option_of(broker, SOL, socket.SO_BINDTODEVICE, 16, broker.port2)[:5] == b"mgmt0"
    assert refused(broker.port2)


KEEP = (6, 0, 0, 0, 255, 255, 255, 255)  # one instruction: keep the whole packet
EKEEP = [0xB7, 0, 0, 0, 255, 255, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]
FILTER, BPF, REUSEPORT = (SOL, 26, KEEP), (SOL, 50, EKEEP), (SOL, socket.SO_REUSEPORT, 1)
MD5 = (TCP, 14, bytes((2, 0)) + bytes(126) + bytes((0, 0, 3, 0)) + bytes(4) + b"key" + bytes(77))

UNKEPT = {
    "SO_ATTACH_FILTER": [FILTER],
    "SO_ATTACH_REUSEPORT_CBPF": [REUSEPORT, (SOL, 51, KEEP)],
    "TCP_MD5SIG": [MD5],
}
if os.uname().machine == "x86_64":
    UNKEPT["SO_ATTACH_BPF"] = [BPF]


def refuses(name, options):
    def check():
        for when in ("early", "bound", "late"):
            said = refusal(app_that_says(**{when: options}))
            assert name in said and "private_ports" in said, (when, said)

    add_test("%s is refused, whenever it is set" % name, check)


for unkept in UNKEPT.items():
    refuses(*unkept)


@test
def a_filter_that_is_detached_again_is_none():
    broker = Broker(app_that_says([FILTER, (SOL, 27, 0)]))
    assert http_get(broker.port).status == 200


main()

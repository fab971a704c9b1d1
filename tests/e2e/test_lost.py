#!/usr/bin/env python3
"""The library is lost, or nearly, on the way from the broker to the program that accepts."""

import os
import shutil
import signal
import time

from harness import *
from lib.steering import workers

RELAY = os.path.join(APPS, "srv_relay")
STATIC = os.path.join(APPS, "static", "srv_relay")  # "declined": its calls are not trapped


def relay(*words):
    return app("srv_relay", "{port}", *words)


def tree(pid):
    found = [pid]
    for p in found:
        with open("/proc/%d/task/%d/children" % (p, p)) as f:
            found += [int(child) for child in f.read().split()]
    return found


def serves(broker):
    """Each worker answers, and none of their processes has a TCP listener of its own."""
    answers = {http_get(broker.port).pid for _ in range(8)}
    assert len(answers) == 2, answers
    inodes = set()
    for pid in sum((tree(w["pid"]) for w in workers(broker) if w["state"] == "ready"), []):
        for fd in os.listdir("/proc/%d/fd" % pid):
            inodes.add(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
    with open("/proc/net/tcp") as f:
        listening = [line.split()[9] for line in f.readlines()[1:] if line.split()[3] == "0A"]
    own = [i for i in listening if "socket:[%s]" % i in inodes]
    assert not own, own


# --- it is not lost -----------------------------------------------------------------------------


@test
def what_one_program_binds_another_listens_on():
    for how in "exec", "child":
        serves(Broker(relay("bind", how, RELAY, "kept"), workers=2))


@test
def a_cleaned_environment_loses_neither_the_listener_nor_the_record_of_a_bind():
    for first in "listen", "bind", "none":
        broker = Broker(relay(first, "child", RELAY, "clean"), workers=2)
        serves(broker)
        broker.reload_and_wait()
        serves(broker)


@test
def a_listener_that_is_on_its_way_to_another_process_is_not_closed():
    gate = Gate()
    broker = Broker(relay("listen", "send", RELAY, "kept"), workers=1,
                    environment="GATE=%s" % gate.path)
    broker.wait_event("output", text="sent and closed")
    waiting = connect(broker.port)
    send_request(waiting, "/?id=patient")
    time.sleep(0.4)  # several times as long as a listener may be without a process
    gate.open()
    assert read_answer(waiting).id == "patient"
    waiting.close()
    assert not broker.events("unlisten") and not broker.events("worker-closed")
    assert len(broker.events("worker-start")) == 1


# --- it is lost, and the broker says so ---------------------------------------------------------


def refused(command, **keys):
    keys = dict(workers=1, backoff_min="1h", backoff_max="1h", wait_ready=False, **keys)
    broker = Broker(command, **keys)
    return broker, broker.wait_event("worker-failed", worker="web.0")["message"]


@test
def a_listener_that_only_programs_without_the_library_have_is_no_worker():
    """Without a client, too: it would hang."""
    for program, env, why in (
        (RELAY, "declined", "an empty BROKER_TOKEN"),
        (STATIC, "declined", "it is static"),
    ):
        broker, message = refused(relay("listen", "exec", program, env))
        assert "its listening socket for 127.0.0.1:%d" % broker.port in message, message
        assert "without the library (srv_relay" in message and why in message, message
        broker.wait_event("back-off")
        assert len(broker.events("worker-start")) == 1
        broker.stop()


@test
def a_worker_whose_children_cannot_accept_fails_when_it_was_to_have_served():
    broker = Broker(relay("listen", "child", STATIC, "declined"), workers=1,
                    stall_timeout="100ms", start_timeout="1s", backoff_min="1h", backoff_max="1h")
    with connect(broker.port):
        message = broker.wait_event("worker-failed", worker="web.0")["message"]
        assert "without the library (srv_relay" in message and "it is static" in message, message
        broker.wait_event("back-off")
    broker.stop()


@test
def a_listener_in_a_child_that_does_not_accept_is_no_reason():
    """The child has a copy, as children have; the app is only slow to begin."""
    gate = Gate()
    broker = Broker(relay("listen", "child", STATIC, "declined", gate.path), workers=1,
                    stall_timeout="50ms")
    with connect(broker.port) as client:
        send_request(client, "/?id=1")
        broker.wait_event("stalled")  # it has been looked at
        gate.open()
        assert read_answer(client).id == "1"
    assert not broker.events("worker-failed")


@test
def a_copy_that_a_child_keeps_does_not_keep_open_what_the_app_has_closed():
    broker = Broker(relay("once", "child", STATIC, "declined"), workers=1)
    http_get(broker.port)
    broker.wait_event("worker-closed")
    assert not broker.events("worker-failed")
    # Without its token nobody else knows whose it is.
    for pid in tree(broker.worker_pid())[1:]:
        os.kill(pid, signal.SIGKILL)


# --- it listens past the broker -----------------------------------------------------------------


def explained(command, **keys):
    broker, message = refused(command, start_timeout="2s", **keys)
    broker.stop()
    return message


def past(message, what):
    assert "past the broker, on %s (srv_relay" % what in message, message
    return message


@test
def a_static_program_is_said_to_be_one():
    port = free_port()
    script = Release("exec %s $1 none exec %s declined" % (RELAY, STATIC))
    message = past(explained(script.command(str(port))), "127.0.0.1:%d" % port)
    assert "it is static, and its calls are not trapped" in message, message


@test
def a_cleaned_environment_is_said_to_be_that():
    """By a program that has no library itself, so that nothing is put back."""
    port = free_port()
    script = Release("exec %s $1 none exec %s clean" % (STATIC, RELAY))
    message = past(explained(script.command(str(port))), "127.0.0.1:%d" % port)
    assert "its environment was cleaned: let what starts it pass on LD_PRELOAD" in message, message


@test
def a_setuid_program_is_said_to_be_one():
    if os.geteuid() != 0:
        skip("needs root")
    port, program = free_port(), tmp("srv_relay")
    shutil.copy(RELAY, program)
    os.chmod(program, 0o4755)
    script = Release("exec %s $1 then none -1" % program)
    message = past(explained(script.command(str(port)), user="nobody", no_new_privs="no"), "127.0.0.1:%d" % port)
    assert "it gained privileges when it was executed" in message, message
    assert "set user in the service" in message, message


@test
def a_socket_that_was_bound_before_is_said_to_be_one():
    message = explained(relay("bind", "exec", STATIC, "declined"))
    past(message, "a socket that was bound before its program was executed")
    assert "it is static" in message, message


@test
def port_0_and_raw_calls_are_told_apart():
    message = explained(relay("any"))
    assert "past the broker, on 127.0.0.1:" in message, message
    assert "the app asked for port 0: give it a port" in message, message
    port = free_port()
    message = past(explained(app("srv_relay", port, "raw")), "127.0.0.1:%d" % port)
    assert "it makes system calls of its own" in message, message


@test
def a_unix_socket_is_said_to_be_one():
    path = tmp("app.sock")
    message = explained(relay("unix", path))
    assert "past the broker, on the Unix socket %s (srv_relay" % path in message, message
    assert "no listen line names it" in message, message


@test
def an_app_that_took_the_next_port_is_told_to_take_the_expected_one():
    port = free_port()
    message = explained(app("srv_relay", port, "next"), listen="127.0.0.1:%d" % port)
    assert "port %d; it listens through the broker on 127.0.0.1:%d" % (port, port + 1) in message
    assert "it has found the expected one taken" in message, message


@test
def another_root_directory_is_said_to_be_in_the_way():
    if os.geteuid() != 0:
        skip("needs root")
    root = tmp("root")
    os.mkdir(root)
    broker, message = refused(relay("chroot", root), start_timeout="500ms")
    said = broker.wait_event("output")["text"]
    assert "its socket is outside of this program's root directory (chroot)" in said, said
    broker.stop()
    assert "its root directory was changed (chroot), and the broker's socket" in message, message


main()

#!/usr/bin/env python3
"""Which port an app gets by asking: none that is privileged, and none that a listen line names."""

import os

from harness import *
from lib.steering import answered_by, ask, refusal, who_answers

private_namespaces()  # every port is free there, and the sysctl is ours

FIRST_UNPRIVILEGED = "/proc/sys/net/ipv4/ip_unprivileged_port_start"


PROGRAM = [os.path.join(APPS, "srv_poll"), "23"]


def why_refused(broker, name, since=0):
    return broker.wait_event("worker-failed", since=since, service=name)["message"]


# --- privileged ports -------------------------------------------------------------------------------


def on_port_23(**keys):
    if os.geteuid() != 0:
        skip("only root starts workers of another user")
    return Broker(PROGRAM, workers=1, backoff_min="20ms", wait_ready=False, **keys)


@test
def a_privileged_port_takes_a_line_for_the_program_of_another_user():
    broker = on_port_23(user="nobody")
    message = why_refused(broker, "web")
    assert "port 23 is privileged" in message, message
    assert "write listen = 127.0.0.1:23 in [service:web]" in message, message
    assert not broker.events("listen")
    # As it says.
    broker.configure(PROGRAM, workers=1, user="nobody", listen="127.0.0.1:23")
    broker.reload_and_wait()
    assert http_get(23).id
    # Nor does it keep what a line gave, once that is gone: a start would not give it.
    broker.configure(PROGRAM, workers=1, user="nobody")
    mark = broker.mark()
    broker.hup()
    assert "write listen = 127.0.0.1:23" in why_refused(broker, "web", mark)
    broker.wait_event("reload-aborted", since=mark)
    assert http_get(23).id


@test
def the_programs_of_the_brokers_own_user_need_no_line():
    broker = on_port_23()
    broker.wait_ready()
    assert http_get(23).id


BINDS_UDP = "import socket; socket.socket(type=socket.SOCK_DGRAM).bind(('127.0.0.1', 53))"


@test
def nor_a_privileged_port_for_datagrams():
    if os.geteuid() != 0:
        skip("only root starts workers of another user")
    # A line for connections says nothing about datagrams.
    broker = Broker(["python3", "-c", BINDS_UDP], workers=1, user="nobody", udp="yes",
                    listen="127.0.0.1:53", wait_ready=False)
    message = why_refused(broker, "web")
    assert "port 53 is privileged" in message, message
    assert "let the program itself change its user" in message, message


@test
def what_is_privileged_the_kernel_says():
    with open(FIRST_UNPRIVILEGED) as f:
        before = f.read()
    try:
        write_sysctl("23")
        broker = on_port_23(user="nobody")
        broker.wait_ready()
        assert http_get(23).id
    finally:
        write_sysctl(before)


def write_sysctl(text):
    with open(FIRST_UNPRIVILEGED, "w") as f:
        f.write(text)


# --- what a line names ------------------------------------------------------------------------------

OWNER = "[service:owner]\ncommand = {apps}/srv_poll {port2}\nworkers = 1\n%s\n"
LINE = OWNER % "listen = {port} for {port2}"
OTHER = "[service:other]\ncommand = {apps}/srv_poll %s\nworkers = 1\nbackoff_min = 20ms\n"


def asks_for(port):
    return OTHER % ("{%s}" % port)


def is_refused(broker, since=0):
    message = why_refused(broker, "other", since)
    assert "belongs to [service:owner], which has a listen line for it" in message, message


@test
def a_slow_service_keeps_the_port_of_its_line():
    gate = Gate()
    slow = LINE.replace("command = ", "command = sh -c '%s; exec \"$@\"' sh " % gate)
    for text in (slow + asks_for("port"), asks_for("port") + slow):
        broker = Broker(text=text, wait_ready=False)
        is_refused(broker)
        gate.open()
        broker.wait_event("worker-ready", service="owner")
        assert who_answers(broker.port) == {broker.worker_pid("owner.0")}
        broker.signal(signal.SIGTERM)
        broker.wait_stopped()


@test
def a_service_that_is_stopped_by_hand_keeps_it_too():
    broker = Broker(text=LINE + asks_for("port3"))
    ask(broker, "stop owner")
    wait_until(lambda: refused(broker.port))
    broker.configure(text=LINE + asks_for("port"))
    mark = broker.mark()
    refusal(broker, "reload other", code="aborted")
    is_refused(broker, mark)
    ask(broker, "start owner")
    answered_by(broker.port, {broker.worker_pid("owner.0")})


@test
def a_new_line_takes_what_an_app_had():
    broker = Broker(text=OWNER % "" + asks_for("port"))
    had = broker.worker_pid("other.0")
    assert who_answers(broker.port) == {had}
    # [::]:PORT, beside the 127.0.0.1:PORT that the app has.
    broker.configure(text=LINE + asks_for("port"))
    mark = broker.mark()
    ask(broker, "reload owner")
    answered_by(broker.port, {broker.worker_pid("owner.0")})
    said = broker.wait_event("listen", since=mark, service="other")["message"]
    assert "that of [service:owner] now, which has a listen line for it" in said, said
    # It does not come back, and its service waits.
    mark = broker.mark()
    send_signal(broker.worker_pid("other.0"), signal.SIGKILL)
    is_refused(broker, mark)
    broker.wait_event("back-off", since=mark, service="other")
    assert who_answers(broker.port) == {broker.worker_pid("owner.0")}
    # Until there is no such line any more.
    broker.configure(text=OWNER % "" + asks_for("port"))
    ask(broker, "reload owner")
    broker.wait_event("worker-ready", since=mark, service="other")
    answered_by(broker.port, {broker.worker_pid("other.0")})


@test
def a_reload_of_all_takes_it_as_well():
    broker = Broker(text=OWNER % "" + asks_for("port"))
    assert who_answers(broker.port) == {broker.worker_pid("other.0")}
    broker.configure(text=LINE + asks_for("port3"))
    load = Load(broker.port)
    load.wait_answers(50)
    ask(broker, "reload")
    load.wait_answers(50)
    load.assert_clean()
    assert who_answers(broker.port) == {broker.worker_pid("owner.0")}
    assert who_answers(broker.port3) == {broker.worker_pid("other.0")}


main()

"""The process in which a broker goes on that is killed."""

import signal

from . import proc
from .faults import Strace


def shadow(broker):
    return proc.child_named(broker.main_pid, "broker-shadow")


def wait_shadow(broker):
    return proc.wait_until(lambda: shadow(broker), 10, "the shadow")


def taken_over(broker):
    """That it was, once more; then there is a shadow again."""
    broker.takeovers += 1
    event = broker.log.wait(["taken-over"], 0, 30, count=broker.takeovers)
    wait_shadow(broker)
    return event


def kill(broker):
    """The broker alone, of which there is another one then."""
    wait_shadow(broker)
    pid = broker.main_pid
    proc.send_signal(pid, signal.SIGKILL)
    event = taken_over(broker)
    assert broker.main_pid != pid
    return event


def killed_as_it_sends(broker, made, deed):
    """At the first sendmsg(2) that comes of `deed()`: it is about to make the call, or has `made` it."""
    wait_shadow(broker)
    how = "delay_exit=60000000" if made else "signal=KILL"
    with Strace(broker.main_pid, "sendmsg", inject="sendmsg:%s:when=1" % how) as trace:
        deed()
        if made:
            proc.wait_until(lambda: trace.lines("DELAYED"))
            proc.send_signal(broker.main_pid, signal.SIGKILL)
        else:
            proc.wait_until(lambda: trace.lines("killed"))
    taken_over(broker)
    return trace.lines("sendmsg(")[0]

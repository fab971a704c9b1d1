#!/usr/bin/env python3
"""directory = a link to a release: a generation never mixes versions, wherever the link leads now."""

import os
import subprocess

from harness import *
from lib import proc
from lib.steering import ask, service, workers
from lib.tools import brokerctl


def release(name):
    """A directory with an app of its own: a script that runs srv_poll."""
    os.makedirs(tmp(name))
    path = write_file(os.path.join(name, "app"), "#!/bin/sh\nexec %s\n" % " ".join(app("srv_poll", "$1")))
    os.chmod(path, 0o755)
    return tmp(name)


def point(link, target):
    """As deploy tools do it: in one step."""
    os.symlink(target, link + ".new")
    os.rename(link + ".new", link)


def started(n=1, **keys):
    first, second = release("1"), release("2")
    link = tmp("current")
    point(link, first)
    broker = Broker(["./app", "{port}"], workers=n, directory=link, **keys)
    broker.wait_event("broker-ready")
    return broker, link, first, second


def where(broker):
    return {os.readlink("/proc/%d/cwd" % w["pid"]) for w in workers(broker) if w["state"] == "ready"}


@test
def a_worker_that_crashes_comes_back_in_the_release_of_its_generation():
    broker, link, first, second = started()
    point(link, second)
    pid = broker.worker_pid("web.0")
    mark = broker.mark()
    proc.send_signal(pid, 9)
    broker.wait_event("worker-ready", since=mark, generation=1)
    assert where(broker) == {first}
    broker.reload_and_wait()
    assert where(broker) == {second}
    assert proc.environment(broker.worker_pid("web.0"))["PWD"] == second


@test
def a_rollback_does_not_mix_versions():
    broker, link, first, second = started(2, rollback_window="1h")
    point(link, second)
    broker.reload_and_wait()
    assert where(broker) == {second}
    mark = broker.mark()
    ask(broker, "rollback web")
    broker.wait_event("rollback", since=mark)
    assert where(broker) == {first}
    proc.send_signal(next(w["pid"] for w in workers(broker) if w["generation"] == 1), 9)
    broker.wait_event("worker-ready", since=mark, generation=1)
    assert where(broker) == {first}


@test
def a_release_that_was_deleted_is_named():
    broker, link, first, second = started()
    point(link, second)
    os.rename(first, first + ".gone")
    proc.send_signal(broker.worker_pid("web.0"), 9)
    why = wait_until(lambda: next((w["why"] for w in workers(broker) if first in w["why"]), None))
    assert "cannot change to directory " + first in why, why


@test
def status_and_plan_show_the_release():
    broker, link, first, second = started()
    line = service(broker)
    assert (line["directory"], line["release"]) == (link, first), line
    assert [c["key"] for c in ask(broker, "reload --plan")] == [None]
    point(link, second)
    change = next(c for c in ask(broker, "reload --plan") if c["key"] == "directory")
    assert (change["section"], change["from"], change["to"]) == ("service:web", first, second), change
    assert "runs in %s, where %s led" % (first, link) in brokerctl(broker, "status").stdout


@test
def the_broker_says_that_it_was_started_in_an_old_release():
    first, second = release("1"), release("2")
    link = tmp("current")
    point(link, first)
    broker = Broker(["./app", "{port}"], workers=1, arguments=["-C", link])
    broker.wait_event("broker-ready")
    assert where(broker) == {first}
    assert not [c for c in ask(broker, "reload --plan") if c["section"] == "broker"]
    point(link, second)
    (change,) = [c for c in ask(broker, "reload --plan") if c["section"] == "broker"]
    assert "runs in %s" % first in change["action"] and "leads to %s" % second in change["action"], change
    broker.reload_and_wait()
    assert where(broker) == {first}


@test
def a_directory_that_cannot_be_entered_is_named():
    done = subprocess.run([broker_program(), "-C", tmp("none"), "--", "true"], stderr=subprocess.PIPE,
                          universal_newlines=True)
    assert done.returncode == 2 and "cannot change to directory %s: No such file" % tmp("none") in done.stderr
    os.makedirs(tmp("d/e"))
    done = subprocess.run([broker_program(), "-C", "d", "-C", "e", "--print-config", "--", "/bin/true"], cwd=tmp(""),
                          stdout=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0


main()

#!/usr/bin/env python3
"""A new worker is proven by what it takes, and a reload can be taken back until all are."""

from harness import *
from lib.ctl import ctl, start_ctl
from lib.steering import ready_workers, service, workers


def serving(broker):
    return {w["worker"]: w["pid"] for w in workers(broker) if w["state"] == "ready"}


def kill(broker, worker):
    proc.send_signal(serving(broker)[worker], signal.SIGKILL)


def late(gate):
    """An app that listens first, and accepts when the gate is open."""
    return "exec %s/srv_late $1 %s" % (APPS, gate.path)


def reload_under_load(body, n=2, **keys):
    """A broker whose reload to `body` has begun while clients come: it, its load, its old pids."""
    release = Release()
    broker = Broker(release.command(), workers=n, **keys)
    old = ready_workers(broker)
    load = Load(broker.port, inflight=8)
    load.wait_answers(50)
    release.deploy(body)
    broker.hup()
    return broker, load, old


@test
def a_deploy_that_listens_and_accepts_nobody_is_aborted():
    broker, load, old = reload_under_load(late(Gate()), start_timeout="2s")
    aborted = broker.wait_event("reload-aborted")
    assert "has taken no connection within start_timeout" in aborted["reason"], aborted
    load.wait_answers(50)
    load.assert_clean()
    assert serving(broker) == old


@test
def the_old_worker_serves_beside_the_new_one_until_that_has_taken_a_connection():
    gate = Gate()
    broker, load, old = reload_under_load(late(gate))
    broker.wait_event("stalled", worker="web.0", generation=2)
    waits = service(broker)["reload"]["waits_for"]
    assert waits.startswith("web.0 to take a connection"), waits
    load.wait_answers(200)
    assert not broker.events("worker-draining"), "nobody is proven yet"
    gate.open(2)
    broker.wait_event("reload-done")
    load.wait_answers(50)
    load.assert_clean()
    assert not set(serving(broker).values()) & set(old.values())


@test
def without_clients_nothing_need_be_proven():
    release = Release()
    broker = Broker(release.command(), workers=2)
    release.deploy(late(Gate()))
    assert broker.reload_and_wait()["generation"] == 2


@test
def a_new_worker_that_ends_on_probation_brings_the_old_ones_back():
    broker, load, old = reload_under_load(GOOD, probation="1h")
    broker.wait_event("reload-step", phase="probation")
    waits = service(broker)["reload"]["waits_for"]
    assert waits.startswith("the probation of the new workers"), waits
    for name, pid in old.items():
        broker.wait_event("worker-parked", worker=name, pid=pid)
    kill(broker, "web.1")
    aborted = broker.wait_event("reload-aborted")
    assert aborted["restored"] == 2 and aborted["generation"] == 2, aborted
    assert "web.1 of generation 2 ended by itself: signal 9" in aborted["reason"], aborted
    load.wait_answers(50)
    assert serving(broker) == old
    # The killed worker had requests in hand: no other may fail.
    assert load.stop()["failed"] <= load.inflight
    assert service(broker)["generation"] == 1


@test
def a_new_worker_that_ends_during_the_reload_ends_the_reload():
    release = Release()
    broker = Broker(release.command(), workers=2, probation="1h")
    old = ready_workers(broker)
    gate = Gate()
    release.deploy("test $BROKER_SLOT = 0 || %s; %s" % (gate, GOOD))
    broker.hup()
    broker.wait_event("worker-parked", worker="web.0", pid=old["web.0"])
    broker.wait_event("worker-start", worker="web.1", generation=2)
    proc.send_signal(broker.worker_pid("web.0"), signal.SIGKILL)
    aborted = broker.wait_event("reload-aborted")
    assert (aborted["done"], aborted["restored"]) == (1, 1), aborted
    assert serving(broker) == old
    gate.open()


@test
def a_new_worker_that_stays_stalled_on_probation_brings_the_old_ones_back():
    broker = Broker(
        app("srv_blocking"), workers=2, probation="500ms", start_timeout="2s", stall_timeout="200ms"
    )
    old = ready_workers(broker)
    load = Load(broker.port, inflight=4)
    load.wait_answers(50)
    broker.hup()
    broker.wait_event("reload-step", phase="probation")
    # It serves one client at a time, and this one says nothing.
    with connect(broker.port):
        stalled = broker.wait_event("stalled", generation=2)["worker"]
        aborted = broker.wait_event("reload-aborted")
        assert aborted["reason"].startswith("%s of generation 2 takes no conn" % stalled), aborted
        assert aborted["restored"] == 2, aborted
        load.wait_answers(50)
        assert serving(broker) == old
    load.assert_clean()


@test
def a_restart_that_fails_does_not_undo_the_reload_before_it():
    release = Release()
    broker = Broker(release.command(), workers=2, rollback_window="1h", probation="100ms")
    broker.reload_and_wait()
    broker.wait_event("worker-parked", count=2)
    new = serving(broker)
    release.deploy("exit 1")
    assert ctl("-c", broker.file, "restart", "web.0").returncode == 4
    assert broker.wait_event("reload-aborted", kind="restart")["restored"] == 0
    assert serving(broker) == new and service(broker)["generation"] == 2


@test
def with_stop_first_a_new_worker_that_ends_aborts_the_rest():
    gate = Gate()
    release = Release()
    broker = Broker(release.command(), workers=2, strategy="stop-first", probation="1h")
    old = ready_workers(broker)
    release.deploy("test $BROKER_SLOT = 0 || %s; %s" % (gate, GOOD))
    broker.hup()
    waiting = broker.wait_event("worker-start", worker="web.1", generation=2)["pid"]
    new = broker.wait_event("worker-ready", worker="web.0", generation=2)["pid"]
    send_signal(new, signal.SIGKILL)
    aborted = broker.wait_event("reload-aborted")
    assert (aborted["done"], aborted["restored"]) == (1, 0), aborted
    broker.wait_event("worker-exit", worker="web.1", pid=old["web.1"])
    # The one that waits at the gate has ended: what opens it is for its successor.
    broker.wait_event("worker-exit", worker="web.1", pid=waiting)
    gate.open()
    # Both slots get the old version again, as nobody could be kept.
    for slot in ("web.0", "web.1"):
        broker.wait_event("worker-ready", since=aborted["position"], worker=slot, generation=1)


@test
def brokerctl_waits_for_the_probation_and_says_what_broke_it():
    release = Release()
    broker = Broker(release.command(), workers=1, probation="1h")
    old = ready_workers(broker)
    gate = Gate()
    release.deploy("(%s; echo the cache is gone >&2; kill -9 $$) & %s" % (gate, GOOD))
    waiting = start_ctl("-c", broker.file, "reload", "web")
    broker.wait_event("reload-step", phase="probation")
    gate.open()
    out, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 4, (out, err)
    assert "web.0 of generation 2 ended by itself" in out + err, (out, err)
    assert "the cache is gone" in out + err, (out, err)
    assert serving(broker) == old


@test
def after_the_probation_the_old_workers_end():
    release = Release()
    broker = Broker(release.command(), workers=2, probation="300ms")
    old = ready_workers(broker)
    done = broker.reload_and_wait()
    assert done["generation"] == 2 and done["ms"] >= 300, done
    for name, pid in old.items():
        broker.wait_event("worker-exit", worker=name, pid=pid)


@test
def a_reload_on_probation_waits_for_its_end():
    broker = Broker(app("srv_poll"), workers=1, probation="500ms")
    broker.hup()
    broker.wait_event("reload-step", phase="probation")
    broker.hup()
    done = [broker.wait_event("reload-done", generation=g)["position"] for g in (2, 3)]
    assert done[0] < broker.wait_event("reload-begin", generation=3)["position"] < done[1]


@test
def a_new_worker_is_ready_when_it_listens_on_all_that_the_old_ones_do():
    release = Release("exec %s/srv_two $1 $2" % APPS)
    broker = Broker(release.command("{port}", "{port2}"), workers=2)
    old = ready_workers(broker)
    load = Load(broker.port, inflight=4)
    gate = Gate()
    # The second port opens after a warm-up that takes longer than the broker would guess.
    release.deploy("exec %s/srv_two $2 $1 %s" % (APPS, gate.path))
    broker.hup()
    broker.wait_event("channel", worker="web.0", generation=2)
    load.wait_answers(200)
    assert not broker.events("worker-ready", generation=2)
    gate.open(2)
    broker.wait_event("reload-done")
    load.wait_answers(100)
    load.assert_clean()
    assert not set(serving(broker).values()) & set(old.values())


@test
def a_port_that_the_new_version_does_not_open_aborts_the_reload_unless_it_is_given_up():
    release = Release("exec %s/srv_two $1 $2" % APPS)
    broker = Broker(release.command("{port}", "{port2}"), workers=2, start_timeout="2s")
    release.deploy("exec %s/srv_poll $1" % APPS)
    aborted = broker.reload_and_wait(want="reload-aborted")
    wanted = "it does not listen on 127.0.0.1:%d, as the workers before it do" % broker.port2
    assert wanted in aborted["reason"] and "--accept-fewer-ports" in aborted["reason"], aborted
    assert http_get(broker.port2).status == 200
    done = ctl("-c", broker.file, "reload", "--accept-fewer-ports", "web")
    assert done.returncode == 0, done
    broker.wait_event("unlisten", address="127.0.0.1:%d" % broker.port2)


def reload_fails(broker):
    """What brokerctl says of a reload that is aborted."""
    answer = ctl("-c", broker.file, "reload")
    assert answer.returncode == 4, answer
    return answer.stdout + answer.stderr


def aborted_reload(body, first=GOOD, **keys):
    """The answer of `brokerctl reload` to a release that fails, and its broker."""
    release = Release(first)
    broker = Broker(release.command(), workers=1, start_timeout="2s", **keys)
    release.deploy(body)
    return reload_fails(broker), broker


@test
def reload_prints_the_last_words_from_the_workers_file():
    # What the workers before it wrote is older than this one; the file is read from its end.
    said, broker = aborted_reload(
        "seq 1000; echo the reason >&2; exit 4",
        first="echo an old word\n" + GOOD,
        output=tmp("web.log"),
    )
    assert "exit 4" in said and "999\n" in said and "the reason" in said, said
    output = broker.wait_event("reload-aborted")["output"].split("\n")
    assert output[-2:] == ["1000", "the reason"] and 10 < len(output) < 500, output
    assert broker.wait_event("worker-failed")["last_output"].endswith("1000\nthe reason")
    assert not broker.events("output"), "the file is where the output goes, not the log"


@test
def last_words_begin_with_the_worker_and_go_on_in_a_rotated_file():
    path = tmp("web.log")
    first = "echo an old word\n" + GOOD
    said, broker = aborted_reload("echo a new word; exit 4", first=first, output=path)
    assert "a new word" in said and "an old word" not in said, said
    # It is emptied, then moved, while a worker writes into it: both ways of logrotate.
    for rotate in ("cp {0} {0}.2; : >{0}", "mv {0} {0}.1"):
        body = "seq 99; %s; echo after rotation >&2; exit 4" % rotate.format(path)
        Release(body)  # of the same name: it is deployed
        said = reload_fails(broker)
        assert "after rotation" in said, said


@test
def where_no_last_words_can_be_read_it_is_said_where_they_are():
    said, broker = aborted_reload("exit 4", output="inherit")
    assert "its output goes to the broker's own output" in said, said
    assert "wrote nothing" not in broker.wait_event("worker-failed")["message"]
    silent, broker = aborted_reload("exit 4", output=tmp("silent.log"))
    assert "its output" not in silent, silent
    assert "it wrote nothing" in broker.wait_event("worker-failed")["message"]


@test
def reload_prints_which_port_was_expected_and_which_was_opened():
    other = free_port()
    said, broker = aborted_reload("exec %s/srv_poll %d" % (APPS, other))
    assert "does not listen on 127.0.0.1:%d" % broker.port in said, said
    assert "; it listens on 127.0.0.1:%d" % other in said, said
    other = free_port()
    said, broker = aborted_reload(
        "exec %s/srv_poll %d" % (APPS, other),
        listen="127.0.0.1:%d for {port}" % free_port(),
    )
    assert "expected, because of `listen`: port %d" % broker.port in said, said
    assert "it listens on 127.0.0.1:%d" % other in said, said


main()

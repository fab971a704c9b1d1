#!/usr/bin/env python3
"""One worker under real debuggers, while the others serve and no connection fails."""

import datetime
import os
import socket
import statistics
import time

from harness import *
from lib import control
from lib.faults import end_strace
from lib.paths import TESTS
from lib.tools import Gdb, Tool, brokerctl, debug, join, need

private_namespaces()

OWN = "127.0.0.2"  # who debugs sends from here; the load comes from 127.0.0.1


def node():
    need("node")
    return ["node", os.path.join(TESTS, "apps", "app.js"), "{port}"]


def production(broker):
    """Load that leaves some of the machine to the debuggers. It has more in flight than the threads
    of srv_threads can hold: a worker that stops with all of it in hand would not be found out."""
    return Load(broker.port, inflight=8, path="/slow?ms=1")


def own_request(port, path="/"):
    """A request from the address of the person who debugs; read_answer() has its answer."""
    sock = socket.create_connection(("127.0.0.1", port), 30, source_address=(OWN, 0))
    send_request(sock, path)
    return sock


def why(broker, worker="web.1"):
    return control.worker(broker, worker)["why"]


def wait_why(broker, text, worker="web.1"):
    control.wait_worker(broker, worker, why=text)


def in_the_round(broker, load, pid):
    """Fails if the worker does not answer among the others."""
    broker.wait_event("worker-ready", pid=pid)
    wait_until(lambda: pid in load.wait_pids(100), 30, "answers of %d" % pid)


def log_time(event):
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


# --- gdb, which the broker is not told of -------------------------------------------------------


def gdb_unannounced(command):
    need("gdb")
    broker = Broker(command, workers=3, stall_timeout="1h")
    load = production(broker)
    load.wait_answers(100)
    pid = broker.worker_pid("web.1")
    mark = broker.mark()
    gdb = Gdb("-p", str(pid))
    event = broker.wait_event("worker-held", since=mark, worker="web.1")
    assert (event["by"], event["tracer"], event["pid"]) == ("stop", gdb.pid, pid), event
    # While it attaches, gdb may have let it run for an instant.
    wait_why(broker, "stopped: gdb %d" % gdb.pid)
    assert pid not in load.wait_pids(100)
    times = []
    # The promise is of a broker that gets a processor: a busy machine may be late, but not always.
    while sum(t <= 0.1 for t in times) < 2 or len(times) < 3 or statistics.median(times) > 0.3:
        assert len(times) < 20, times
        mark = broker.mark()
        gdb.resume()
        broker.wait_event("worker-released", since=mark, worker="web.1")
        in_the_round(broker, load, pid)
        began = time.time()  # the log's clock
        gdb.interrupt()
        times.append(log_time(broker.wait_event("worker-held", since=mark)) - began)
        load.wait_answers(100)
    note("held after ms: %s" % [round(1000 * t) for t in times])
    mark = broker.mark()
    gdb.quit()
    broker.wait_event("worker-released", since=mark, worker="web.1")
    in_the_round(broker, load, pid)
    assert why(broker) == "" and control.worker(broker, "web.1")["tracer"] is None
    load.assert_clean()


@test
def gdb_on_a_worker_takes_it_out_of_the_round_while_it_is_at_its_prompt():
    gdb_unannounced(app("srv_poll"))


@test
def gdb_on_a_worker_with_threads_takes_it_out_of_the_round():
    gdb_unannounced(app("srv_threads"))


@test
def gdb_on_a_node_worker_takes_it_out_of_the_round():
    gdb_unannounced(node())


# --- gdb through brokerctl ----------------------------------------------------------------------


def own_request_into_a_breakpoint(command, function, path):
    need("gdb")
    broker = Broker(command, workers=3)
    load = production(broker)
    load.wait_answers(100)
    pid = broker.worker_pid("web.1")
    gdb = Gdb(through=debug(broker, "web.1", "--from", OWN))
    wait_why(broker, "stopped: gdb %d; held for a debugger" % gdb.gdb_pid)
    gdb.ask("break " + function)
    gdb.resume()
    wait_why(broker, "held for a debugger: gdb %d" % gdb.gdb_pid)
    own = own_request(broker.port, path)
    gdb.wait_breakpoint(function)
    assert function in gdb.ask("backtrace 1")
    pids = load.wait_pids(100)  # the others serve on, while ours stands there
    assert pid not in pids and len(pids) == 2, pids
    pin = next(o for o in control.status(broker) if o["type"] == "pin")
    assert (pin["source"], pin["kind"], pin["worker"]) == (OWN, "debug", "web.1"), pin
    gdb.ask("delete")
    gdb.resume()
    answer = read_answer(own)
    assert answer.status == 200 and answer.pid in (pid, None), answer.body
    own.close()
    assert {read_answer(own_request(broker.port)).pid for _ in range(6)} == {pid}
    assert pid not in load.wait_pids(100)
    mark = broker.mark()
    gdb.interrupt()
    gdb.quit()
    broker.wait_event("worker-released", since=mark, worker="web.1")
    broker.wait_event("unpin", since=mark, worker="web.1")
    in_the_round(broker, load, pid)
    wait_until(lambda: read_answer(own_request(broker.port)).pid != pid, 30, "own request elsewhere")
    load.assert_clean()


@test
def ones_own_request_hits_the_breakpoint_and_production_does_not():
    own_request_into_a_breakpoint(app("srv_poll"), "app_environment", "/env")


@test
def ones_own_request_hits_a_breakpoint_in_node():
    own_request_into_a_breakpoint(node(), "uv_accept", "/")


@test
def a_script_of_gdb_through_brokerctl():
    need("gdb")
    broker = Broker(app("srv_threads"), workers=2)
    load = production(broker)
    load.wait_answers(100)
    script = write_file(
        "script", "break app_environment\necho ready\\n\ncontinue\nbacktrace 2\ndelete\ndetach\n"
    )
    through = debug(broker, "web.1", "--from", OWN)
    gdb = Tool(*through, "gdb", "-batch", "-nx", "-x", script)
    gdb.expect("^ready$", 60)
    own = own_request(broker.port, "/env")
    gdb.expect(r"^#1 .* app_answer ")
    assert "BROKER_WORKER=web.1" in read_answer(own).body
    own.close()
    said = gdb.end()
    assert "web.1 is released" in said, said
    in_the_round(broker, load, broker.worker_pid("web.1"))
    load.assert_clean()


@test
def a_debugger_outlives_the_brokerctl_that_started_it():
    need("gdb")
    broker = Broker(app("srv_poll"), workers=2)
    load = production(broker)
    load.wait_answers(100)
    pid = broker.worker_pid("web.1")
    gdb = Gdb(through=debug(broker, "web.1"))
    gdb.resume()
    gdb.signal(signal.SIGKILL)
    gdb.process.wait(10)
    wait_why(broker, "held for a debugger: gdb %d" % gdb.gdb_pid)
    assert pid not in load.wait_pids(100)
    mark = broker.mark()
    proc.send_signal(gdb.gdb_pid, signal.SIGINT)
    gdb.expect(r"^\(gdb\) ")
    gdb.ask("detach")
    wait_why(broker, "held for a debugger")
    assert pid not in load.wait_pids(100)
    gdb.say("quit")
    broker.wait_event("worker-released", since=mark, by="debug")
    in_the_round(broker, load, pid)
    load.assert_clean()


@test
def a_debugger_that_is_killed_lets_go():
    need("gdb")
    broker = Broker(app("srv_poll"), workers=2)
    load = production(broker)
    load.wait_answers(100)
    pid = broker.worker_pid("web.1")
    gdb = Gdb(through=debug(broker, "web.1"))
    mark = broker.mark()
    proc.send_signal(gdb.gdb_pid, signal.SIGKILL)
    broker.wait_event("worker-released", since=mark, worker="web.1")
    in_the_round(broker, load, pid)
    gdb.end(code=128 + signal.SIGKILL)
    load.assert_clean()


# --- longer than any timeout --------------------------------------------------------------------

SHORT = {
    "drain_timeout": "100ms",
    "stop_timeout": "100ms",
    "stall_timeout": "50ms",
}


@test
def a_reload_leaves_the_process_to_the_person():
    need("gdb")
    broker = Broker(app("srv_poll"), workers=2, **SHORT)
    load = production(broker)
    load.wait_answers(100)
    old, other = broker.worker_pid("web.1"), broker.worker_pid("web.0")
    gdb = Gdb("-p", str(old))
    broker.wait_event("worker-held", worker="web.1")
    mark = broker.mark()
    done = brokerctl(broker, "reload")
    assert done.returncode == 0, done.stdout
    broker.wait_event("worker-exit", since=mark, pid=other)
    traced = broker.wait_event("worker-traced", since=mark, pid=old)
    assert traced["tracer"] == gdb.pid and "debugged by gdb" in traced["message"], traced
    shown = {w["generation"]: w for w in control.status(broker) if w.get("worker") == "web.1"}
    assert shown[1]["pid"] == old and shown[2]["state"] == "ready", shown
    debugged = "debugged by gdb %d" % gdb.pid
    assert debugged in shown[1]["why"] and "no deadline runs" in shown[1]["why"], shown[1]
    assert debugged in brokerctl(broker, "status").stdout
    # All its deadlines pass again, for those that have a clock.
    brokerctl(broker, "reload")
    broker.wait_event("worker-exit", since=mark, count=3)
    assert proc.alive(old) and old not in load.wait_pids(100)
    assert not broker.events("worker-kill", mark, pid=old)
    assert "process %d\n" % old in gdb.ask("info proc") and "main" in gdb.ask("backtrace")
    gdb.quit()
    broker.wait_event("worker-stopping", since=mark, pid=old)
    gone = broker.wait_event("worker-exit", since=mark, pid=old)
    assert gone["level"] == "info", gone
    load.assert_clean()


@test
def one_that_starts_may_be_debugged_for_as_long_as_it_takes():
    need("gdb")
    gate = Gate()
    command = ["sh", "-c", "%s; exec {apps}/srv_poll {port}" % gate]
    gdb = Gdb()  # which may take longer to start than the worker has time
    broker = Broker(command, workers=1, wait_ready=False, start_timeout="3s", **SHORT)
    pid = broker.wait_event("worker-start")["pid"]
    gdb.ask("attach %d" % pid)
    traced = broker.wait_event("worker-traced", pid=pid)  # its time would be over
    assert traced["tracer"] == gdb.pid, traced
    assert "debugged by gdb %d" % gdb.pid in why(broker, "web.0")
    gate.open(3)
    gdb.quit()
    broker.wait_ready()
    assert broker.worker_pid("web.0") == pid


@test
def a_stop_waits_for_the_person_and_a_second_one_does_not():
    need("gdb")
    broker = Broker(app("srv_poll"), workers=2, **SHORT)
    first, second = broker.worker_pid("web.0"), broker.worker_pid("web.1")
    gdb = Gdb("-p", str(second))
    wait_why(broker, "stopped: gdb %d" % gdb.pid)
    assert brokerctl(broker, "stop", "--no-wait").returncode == 0
    broker.wait_event("worker-exit", pid=first)
    traced = broker.wait_event("worker-traced", pid=second)
    assert "the broker waits" in traced["message"], traced
    assert "debugged by gdb %d" % gdb.pid in brokerctl(broker, "status").stdout
    assert brokerctl(broker, "stop", "--no-wait").returncode == 0
    broker.wait_event("worker-stopping", pid=second, signal=9)
    gdb.say("continue")
    gdb.expect("terminated with signal SIGKILL")
    gdb.quit()
    broker.wait_stopped()


# --- strace, perf, gdbserver --------------------------------------------------------------------


def strace_a_serving_worker(command, calls):
    need("strace")
    broker = Broker(command, workers=3, **SHORT)
    load = production(broker)
    load.wait_answers(100)
    pid = broker.worker_pid("web.1")
    strace = Tool("strace", "-f", "-p", pid, "-e", "trace=" + calls, "-o", tmp("trace"))
    strace.expect("attached")
    wait_until(lambda: pid in load.wait_pids(100), 30, "answers of %d" % pid)
    wait_why(broker, "runs under strace %d" % strace.pid)
    assert not broker.events("worker-held")
    mark = broker.mark()
    assert brokerctl(broker, "reload").returncode == 0
    broker.wait_event("worker-traced", since=mark, pid=pid)
    brokerctl(broker, "reload")
    broker.wait_event("worker-exit", since=mark, count=5)
    assert proc.alive(pid) and not broker.events("worker-kill", mark, pid=pid)
    end_strace(strace.pid)
    broker.wait_event("worker-exit", since=mark, pid=pid)
    with open(tmp("trace")) as f:
        assert calls.split(",")[0] + "(" in f.read()
    load.assert_clean()


@test
def strace_on_a_worker_that_serves():
    strace_a_serving_worker(app("srv_threads"), "recvmsg,sendto")


@test
def strace_on_a_node_worker_that_serves():
    strace_a_serving_worker(node(), "recvmsg,write")


@test
def strace_through_brokerctl_sees_only_ones_own_request():
    need("strace")
    broker = Broker(app("srv_poll"), workers=2)
    load = production(broker)
    load.wait_answers(100)
    out = tmp("trace")
    through = debug(broker, "web.1", "--from", OWN)
    strace = Tool(*through, "strace", "-s", "200", "-o", out)
    strace.expect("attached")
    with own_request(broker.port, "/?id=mine") as own:
        assert read_answer(own).id == "mine"
    (tracer,) = proc.descendants(strace.pid)
    end_strace(tracer)
    strace.end(code=128 + signal.SIGINT)
    with open(out) as f:
        requests = [line for line in f if line.startswith("recvfrom(") and "GET /" in line]
    assert requests and "GET /?id=mine " in requests[-1], requests
    load.assert_clean()


@test
def gdbserver_on_a_worker():
    need("gdb", "gdbserver")
    broker = Broker(app("srv_poll"), workers=3)
    load = production(broker)
    load.wait_answers(100)
    pid = broker.worker_pid("web.1")
    server = Tool(*debug(broker, "web.1", "--from", OWN), "gdbserver", "127.0.0.1:0")
    port = server.expect(r"^Listening on port (\d+)$").group(1)
    gdb = Gdb("-ex", "target remote 127.0.0.1:" + port)
    assert "poll" in gdb.ask("backtrace")
    gdb.ask("break app_environment")
    gdb.resume()
    own = own_request(broker.port, "/env")
    gdb.wait_breakpoint("app_environment")
    # Its last answer may be on the way to a client that has not read it.
    wait_until(lambda: pid not in load.wait_pids(100))
    gdb.ask("delete")
    mark = broker.mark()
    gdb.ask("detach")
    gdb.quit()
    assert "BROKER_WORKER=web.1" in read_answer(own).body
    own.close()
    assert "web.1 is released" in server.end()
    broker.wait_event("worker-released", since=mark, worker="web.1")
    in_the_round(broker, load, pid)
    load.assert_clean()


# --- wrap.N -------------------------------------------------------------------------------------


@test
def one_slot_always_under_strace():
    need("strace")
    out = tmp("trace")
    broker = Broker(app("srv_poll"), workers=3, **{"wrap.1": "strace -f -I 2 -o %s" % out})
    load = production(broker)
    load.wait_answers(500)
    main_pid = broker.worker_pid("web.1")
    assert set(load.status()["pids"]) & set(proc.descendants(main_pid))
    broker.reload_and_wait()
    gone = broker.wait_event("worker-exit", pid=main_pid)
    # Without -I it would not hear of SIGTERM, and be killed with its program after stop_timeout.
    assert gone["how"] == "signal 15" and not broker.events("worker-kill"), gone
    load.wait_answers(200)
    load.assert_clean()
    assert not broker.events("worker-held") and not broker.events("worker-traced")
    with open(out) as f:
        assert "recvmsg(" in f.read()


@test
def one_slot_always_under_valgrind():
    need("valgrind")
    wrap = {"wrap.1": "valgrind -q --log-file=%s" % tmp("valgrind.log")}
    broker = Broker(app("srv_poll"), workers=2, **wrap)
    load = production(broker)
    pid = broker.worker_pid("web.1")
    in_the_round(broker, load, pid)
    mark = broker.mark()
    broker.reload_and_wait()
    broker.wait_event("worker-exit", since=mark, pid=pid)
    load.wait_answers(100)
    load.assert_clean()
    assert not broker.events("worker-kill")
    with open(tmp("valgrind.log")) as f:
        said = f.read()
    assert said == "", said


@test
def one_slot_always_under_gdbserver():
    need("gdb", "gdbserver")
    port = free_port()
    wrap = {"wrap.1": "gdbserver --once 127.0.0.1:%d" % port}
    broker = Broker(app("srv_poll"), workers=2, wait_ready=False, start_timeout="2s", **wrap, **SHORT)
    pid = broker.wait_event("worker-start", worker="web.1")["pid"]
    broker.wait_event("worker-ready", worker="web.0")
    # It waits for a debugger, forever; the others serve.
    broker.wait_event("worker-traced", pid=pid)
    load = production(broker)
    load.wait_answers(100)
    gdb = Gdb("-ex", "target remote 127.0.0.1:%d" % port)
    gdb.ask("break app_environment")
    gdb.resume()
    broker.wait_ready()
    child = proc.descendants(pid)[0]
    wait_until(lambda: child in load.wait_pids(50), 30, "answers of %d" % child)
    control.ask(broker, "pin %s web.1" % OWN)
    own = own_request(broker.port, "/env")
    gdb.wait_breakpoint("app_environment")
    broker.wait_event("worker-held", worker="web.1")
    assert child not in load.wait_pids(100)
    gdb.ask("delete")
    gdb.resume()
    assert "BROKER_WORKER=web.1" in read_answer(own).body
    own.close()
    broker.wait_event("worker-released", worker="web.1")
    gdb.interrupt()
    gdb.ask("detach")
    gdb.quit()
    load.wait_answers(100)
    load.assert_clean()


# --- guests -------------------------------------------------------------------------------------


@test
def a_program_started_by_gdb_joins_and_gets_ones_own_requests_only():
    need("gdb")
    broker = Broker(app("srv_poll"), workers=2, **SHORT)
    load = production(broker)
    program, _ = app("srv_poll")
    gdb = Gdb("--args", program, broker.port, through=join(broker, "--pinned-only"))
    name = broker.wait_event("guest-join")["worker"]
    gdb.ask("break app_environment")
    gdb.say("run")
    broker.wait_event("worker-ready", worker=name)
    control.ask(broker, "pin %s %s" % (OWN, name))
    own = own_request(broker.port, "/env")
    gdb.wait_breakpoint("app_environment")
    assert len(load.wait_pids(100)) == 2
    wait_why(broker, "stopped: gdb %d" % gdb.gdb_pid, name)
    gdb.ask("delete")
    gdb.resume()
    assert "BROKER_WORKER=%s\n" % name in read_answer(own).body
    own.close()
    mark = broker.mark()
    gdb.interrupt()
    gdb.ask("kill")
    gdb.quit()
    left = broker.wait_event("guest-left", since=mark, worker=name)
    assert left["pid"] == gdb.pid and left["ended"], left
    assert read_answer(own_request(broker.port)).pid in load.wait_pids(50)
    load.assert_clean()


main()

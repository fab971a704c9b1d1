#!/usr/bin/env python3
"""Programs that are workers by themselves, with libhandoff: mode = native, where nothing is loaded."""

import os
import re
import socket
import struct
import subprocess

from harness import *
from lib.guest import Guest
from lib.steering import answered_by, ask, hold, ready_workers, who_answers, workers

EXAMPLE = os.path.join(BUILD, "worker")


def native(program=EXAMPLE, **options):
    return Broker([program, "127.0.0.1:{port}"], mode="native", **options)


def srv(**options):
    return native(app("srv_native")[0], **options)


def said(broker, text, **fields):
    """The output of a worker."""
    return wait_until(lambda: [e for e in broker.events("output", **fields) if text in e["text"]], 20,
                      lambda: "%r; it wrote %s" % (text, [e["text"] for e in broker.events("output")]))


def wait_rest(broker):
    """Until it has slept for ten looks: it does not look at its workers any more."""
    seen = []

    def sleeps():
        with open("/proc/%d/status" % broker.pid) as f:
            seen.append(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", f.read(), re.M).group(1))
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    wait_until(sleeps)


@test
def the_example_serves_through_a_reload_under_load():
    broker = native(workers=2)
    load = Load(broker.port)
    load.wait_answers(200)
    old = set(ready_workers(broker).values())
    assert set(load.wait_pids(100)) == old
    with broker.same_fds():
        broker.reload_and_wait()
        for pid in old:
            broker.wait_event("worker-exit", pid=pid)
    assert not old & set(load.wait_pids(100))
    load.assert_clean()
    pid = broker.worker_pid()
    with open("/proc/%d/environ" % pid) as f:
        assert "LD_PRELOAD" not in f.read()
    with open("/proc/%d/maps" % pid) as f:
        assert "libworker-shim" not in f.read()


@test
def a_crash_loses_nothing_that_waited():
    broker = native(workers=2, stall_timeout="1m")
    silent = [connect(broker.port) for _ in range(2)]  # each keeps a worker busy
    pids = [ready_workers(broker)["web.%d" % n] for n in range(2)]
    for pid in pids:
        wait_until(lambda: proc.held_connections([pid], broker.port))
    clients = []
    for n in range(6):
        clients.append(connect(broker.port))
        send_request(clients[-1], "/?id=%d" % n)
    wait_until(lambda: sum(w["waiting"] for w in workers(broker)) == 6)
    send_signal(pids[0], signal.SIGKILL)
    assert broker.wait_event("taken-back", worker="web.0")["count"] == 3
    for sock in silent:
        sock.close()
    assert [read_answer(c).id for c in clients] == [str(n) for n in range(6)]


@test
def it_sees_that_it_drains_and_is_woken_for_it():
    broker = srv(workers=1, drain_timeout="1m", drain_idle="off")
    kept, old = hold(broker.port)
    broker.reload_and_wait()
    said(broker, "drains")
    assert {w["state"] for w in workers(broker) if w["pid"] == old} == {"draining"}
    kept.close()
    broker.wait_event("worker-exit", pid=old)


@test
def a_rollback_takes_that_back():
    broker = srv(workers=1, drain_timeout="1m", drain_idle="off", rollback_window="1m")
    kept, old = hold(broker.port)
    broker.reload_and_wait()
    said(broker, "drains")
    ask(broker, "rollback")
    said(broker, "drains no more")
    answered_by(broker.port, {old})
    kept.close()


@test
def leaving_gives_back_what_waits_and_another_comes():
    broker = srv(workers=2, backoff_min="10ms", stall_timeout="1m")
    slow = connect(broker.port)
    send_request(slow, "/slow?ms=60000&id=slow")
    old = wait_until(lambda: next((p for p in ready_workers(broker).values()
                                   if proc.held_connections([p], broker.port)), None))
    clients = []
    for n in range(6):
        clients.append(connect(broker.port))
        send_request(clients[-1], "/?id=%d" % n)
    wait_until(lambda: [w["waiting"] for w in workers(broker) if w["pid"] == old] == [3])
    send_signal(old, signal.SIGUSR1)  # which also ends its waiting
    event = broker.wait_event("taken-back", pid=old)
    assert (event["count"], event["reason"]) == (3, "the worker has asked to leave"), event
    assert "it has asked to leave" in broker.wait_event("worker-draining", pid=old)["message"]
    answers = [read_answer(c) for c in clients]
    assert [a.id for a in answers] == [str(n) for n in range(6)]
    assert old not in {a.pid for a in answers}
    assert read_answer(slow).pid == old
    name = broker.events("worker-ready", pid=old)[0]["worker"]
    broker.wait_event("worker-ready", worker=name, count=2)
    broker.wait_event("worker-exit", pid=old)
    assert len(who_answers(broker.port)) == 2


@test
def one_that_is_idle_leaves_at_once():
    """No connection is under way, so that the broker would look at nothing."""
    broker = srv(workers=1, backoff_min="10ms")
    old = http_get(broker.port).pid
    wait_rest(broker)
    send_signal(old, signal.SIGUSR1)
    broker.wait_event("worker-draining", pid=old, timeout=5)
    broker.wait_event("worker-exit", pid=old)
    assert broker.wait_event("worker-ready", count=2)["pid"] != old


@test
def load_steers_least_connections():
    broker = srv(workers=2, balance="least-connections")
    first, second = (ready_workers(broker)["web.%d" % n] for n in range(2))
    answered_by(broker.port, {first, second})
    send_signal(first, signal.SIGUSR2)
    answered_by(broker.port, {second})
    held = [hold(broker.port) for _ in range(8)]
    assert {pid for _, pid in held} == {second}


@test
def it_learns_where_its_clients_come_from():
    broker = srv(workers=1, environment="SHOW_CLIENTS=yes")
    sock = connect(broker.port)
    said(broker, "client 127.0.0.1:%d listener yes" % sock.getsockname()[1])


@test
def without_a_free_descriptor_nothing_is_lost():
    broker = srv(workers=1, limit_nofile=40, stall_timeout="1m")
    clients = [connect(broker.port) for _ in range(80)]
    for n, sock in enumerate(clients):
        send_request(sock, "/?id=%d" % n, close=False)
    pid = broker.worker_pid()
    wait_until(lambda: proc.held_connections([pid], broker.port) >= 30)
    for n, sock in enumerate(clients):
        assert read_answer(sock).id == str(n)
        sock.close()


@test
def its_waits_are_measured():
    broker = native(workers=1, broker={"metrics": "127.0.0.1:%d" % free_port()})
    for _ in range(20):
        http_get(broker.port)
    address = re.search(r"metrics = (\S+):(\d+)", open(broker.file).read())
    page = http_get(int(address.group(2)), "/metrics").body
    waited = re.search(r"^broker_wait_seconds_count\{.*\} (\d+)$", page, re.M)
    assert waited and int(waited.group(1)) == 20, page


def compile_native(program, source, *options):
    """From the sources: the library may be built with a sanitizer, which cannot be static."""
    library = os.path.join(ROOT, "worker-shim/native/handoff.c")
    return subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-I", os.path.join(ROOT, "include"),
                           "-I", os.path.join(ROOT, "worker-shim"), source, library, *options, "-o", program], stderr=subprocess.PIPE, text=True)


@test
def a_static_program_serves():
    program = tmp("static")
    built = compile_native(program, os.path.join(ROOT, "docs/examples/worker.c"), "-static")
    if "cannot find -lc" in built.stderr:
        skip("no static libc here: libc6-dev")
    assert built.returncode == 0, built.stderr
    broker = native(program, workers=2)
    load = Load(broker.port, total=500)
    load.wait_end()
    load.assert_clean()
    assert broker_cli("-t", "-c", broker.file).returncode == 0


FORKS = r"""
#include <errno.h>
#include <handoff.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char request[4096], answer[256], id[64];
	int parent = getpid();
	struct handoff *h;

	if (argc < 2 || handoff_open(argv[1], &h, NULL) < 0)
		return 1;
	for (int i = 0; i < 2; i++)
		if (fork() == 0)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = handoff_next(h, HANDOFF_WAIT, NULL);

		if (fd == -EAGAIN && handoff_is_draining(h))
			write(1, "drains\n", 7);
		if (fd < 0)
			continue;
		if (read(fd, request, sizeof(request)) > 0 && sscanf(request, "GET /?id=%63[^ &]", id) == 1)
			dprintf(fd, "HTTP/1.0 200 OK\r\nChild: %d\r\n\r\npid=%d id=%s\n", getpid(), parent, id);
		close(fd);
	}
}
"""


@test
def processes_that_it_forks_take_connections_too():
    with open(tmp("forks.c"), "w") as f:
        f.write(FORKS)
    build = compile_native(tmp("forks"), tmp("forks.c"))
    assert build.returncode == 0, build.stderr
    broker = native(tmp("forks"), workers=1)
    children = set()

    def all_seen():
        children.add(http_get(broker.port, "/?id=x").headers["child"])
        return len(children) >= 3

    load = Load(broker.port)
    wait_until(all_seen)
    silent = connect(broker.port)  # which keeps one of them, and so the worker
    wait_until(lambda: proc.held_connections(proc.descendants(broker.pid), broker.port))
    broker.reload_and_wait()
    said(broker, "drains")  # one of those that wait for a connection is woken
    silent.close()
    load.wait_answers(100)
    load.assert_clean()


@test
def a_guest_may_be_native_and_leave():
    broker = srv(workers=1)
    guest = Guest(broker, [app("srv_native")[0], "127.0.0.1:%d" % broker.port], "--backend", "native")
    answered_by(broker.port, {guest.pid, broker.worker_pid()})
    guest.signal(signal.SIGUSR1)
    broker.wait_event("guest-left", worker=guest.name)
    assert who_answers(broker.port) == {broker.worker_pid()} and guest.alive()


@test
def what_means_nothing_in_this_mode_is_refused():
    for key, value in (("backend", "preload"), ("private_ports", "9229")):
        path = write_file("bad.ini", "[service:web]\nmode = native\ncommand = true\n%s = %s\n" % (key, value))
        done = broker_cli("-t", "-c", path)
        assert done.returncode != 0 and re.search(r"bad.ini:4: %s \(%s\S* .*mode = native" % (key, value),
                                                  done.stderr), done.stderr


@test
def a_program_that_listens_by_itself_is_told_so():
    broker = Broker(app("srv_poll"), mode="native", workers=1, start_timeout="300ms", wait_ready=False)
    message = broker.wait_event("worker-failed")["message"]
    assert "127.0.0.1:%d" % broker.port in message and "needs mode = listen" in message, message


# --- it cannot be opened ---------------------------------------------------------------------------


def run_example(*arguments, **environment):
    done = subprocess.run([EXAMPLE, *arguments], stderr=subprocess.PIPE, text=True, timeout=30,
                          env=clean_environment(environment))
    assert done.returncode == 1, done
    return done.stderr


PLACE = {"BROKER_TOKEN": 32 * "0", "BROKER_SERVICE": "web", "BROKER_SLOT": "0", "BROKER_GENERATION": "1"}


@test
def it_says_what_is_missing():
    assert "no broker has started this program" in run_example("127.0.0.1:80")
    assert "is no address" in run_example(PORT="")
    os.environ.pop("PORT", None)
    assert "no address is given, and PORT is not set" in run_example()
    assert "localhost:80 is no address: write IP:PORT" in run_example("localhost:80")
    assert "was changed on the way" in run_example("80", **dict(PLACE, BROKER_RENDEZVOUS="/x", BROKER_TOKEN="0"))
    assert "the broker is not there" in run_example("80", **dict(PLACE, BROKER_RENDEZVOUS=tmp("none")))


@test
def it_says_that_the_versions_differ():
    path = tmp("rendezvous")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(1)
        process = subprocess.Popen([EXAMPLE, "80"], stderr=subprocess.PIPE, text=True,
                                   env=clean_environment(dict(PLACE, BROKER_RENDEZVOUS=path)))
        broker = listener.accept()[0]
        hello = broker.recv(500)
        assert struct.unpack_from("=HHI", hello) == (3, 1, 256) and struct.unpack_from("=I", hello, 48) == (2,)
        broker.send(struct.pack("=HHI", 7, 2, 48) + 40 * b"\0")
        words = process.communicate(timeout=30)[1]
    assert "speaks version 7 of the handoff protocol, and this program version 3" in words, words


@test
def it_says_why_the_broker_refuses():
    program = app("srv_native")[0]
    broker = Broker(text="[service:web]\nmode = native\ncommand = %s 127.0.0.1:{port}\n"
                         "[service:other]\nmode = native\ncommand = %s 127.0.0.1:{port2}\n" % (program, program))
    broker.configure(text="[service:web]\nmode = native\ncommand = %s 127.0.0.1:{port}\n"
                          "[service:other]\nmode = native\nworkers = 1\ncommand = %s 127.0.0.1:{port}\n"
                          % (program, program))
    broker.reload_and_wait(want="reload-aborted", service="other")
    found = said(broker, "error 98: ", worker="other.0")[0]["text"]
    assert "web" in found, found


main()

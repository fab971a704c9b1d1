#!/usr/bin/env python3
"""Programs that make their system calls themselves, static ones and Go: these calls are trapped."""

import contextlib
import errno
import itertools
import os
import re
import shutil
import signal
import subprocess

from harness import *
from lib import proc, tools
from lib.faults import filtered
from lib.guest import Guest
from lib.release import Release
from lib.steering import answered_by, ready_workers, who_answers, workers
from lib.trapped import HOW, go_program, static, untraced

GO = ("exe", "pie", "cgo")  # how they are built; the last one is linked to libc


def trapped(name, **options):
    return Broker([static(name), "{port}"], **dict({"workers": 2}, **options))


def anonymous_kb(pid):
    # In status(5) it is off by up to 256 kB before Linux 6.2.
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return int(re.search(r"^Anonymous:\s*(\d+) kB$", f.read(), re.M).group(1))


def go(mode="exe", **options):
    return Broker([go_program(mode), "127.0.0.1:{port}"], **dict({"workers": 2}, **options))


def serves_through_reloads(broker):
    load = Load(broker.port)
    load.wait_answers(100)
    for _ in range(3):
        old = set(ready_workers(broker).values())
        broker.reload_and_wait()
        for pid in old:
            broker.wait_event("worker-exit", pid=pid)
        assert not old & set(load.wait_pids(100))
    load.assert_clean()
    assert not [e for e in broker.events("worker-exit") if e["how"] in ("signal 11", "signal 31")]


def add_static(name, how, options):
    def serves():
        serves_through_reloads(trapped(name, **options()))

    add_test("a_static_%s_serves_through_reloads_%s" % (name, how), serves)


for name in ("srv_blocking", "srv_epoll_before_listen", "srv_prefork", "srv_threads"):
    for how, options in HOW.items():
        add_static(name, how, options)


@test
def static_programs_of_musl_serve_through_reloads():
    if not shutil.which("musl-gcc"):
        skip("no musl here: musl-tools")
    for name in ("srv_prefork", "srv_threads"):
        source = os.path.join(ROOT, "tests", "apps", name + ".c")
        subprocess.run(["musl-gcc", "-static", "-O1", "-D_GNU_SOURCE", "-pthread", "-o", tmp(name), source], check=True)
        for options in HOW.values():
            broker = Broker([tmp(name), "{port}"], workers=2, **options())
            serves_through_reloads(broker)
            broker.stop()


@test
def signals_descriptors_and_helpers_work_in_a_static_program():
    """What it asserts is in the program."""
    for options in HOW.values():
        broker = trapped("srv_raw", **options())
        assert len(set(who_answers(broker.port))) == 2
        assert not broker.events("worker-exit")
        broker.stop()


@test
def as_another_user():
    if os.geteuid() != 0:
        skip("needs root")
    for options in HOW.values():
        broker = trapped("srv_raw", user="nobody", **options())
        assert len(set(who_answers(broker.port))) == 2
        pid = broker.worker_pid()
        with open("/proc/%d/status" % pid) as f:
            text = f.read()
        assert re.search(r"^NoNewPrivs:\s*1$", text, re.M) and re.search(r"^Seccomp:\s*2$", text, re.M), text
        broker.stop()
        broker = go(user="nobody", **options())
        assert http_get(broker.port, "/helper").body == "helped <nil>; 42\n <nil>"
        broker.stop()


@test
def a_killed_worker_loses_only_what_it_has_in_hand():
    broker = trapped("srv_blocking", stall_timeout="1m")
    silent = [connect(broker.port) for _ in range(2)]  # each keeps a worker busy
    pids = list(ready_workers(broker).values())
    for pid in pids:
        wait_until(lambda: proc.held_connections([pid], broker.port))
    clients = []
    for _ in range(8):
        sock = connect(broker.port)
        send_request(sock)
        clients.append(sock)
    for pid in pids:
        proc.send_signal(pid, signal.SIGKILL)
    for sock in clients:
        answer = read_answer(sock)
        assert answer.status == 200, answer
    del silent


@test
def nothing_of_the_launcher_is_left():
    broker = trapped("srv_blocking", workers=1)
    pid = broker.worker_pid()
    assert broker.wait_event("channel")["backend"] == workers(broker)[0]["backend"] == "trap"
    with open("/proc/%d/status" % pid) as f:
        assert re.search(r"^TracerPid:\s*0$", f.read(), re.M)
    assert proc.descendants(pid) == []
    plain = subprocess.Popen([static("srv_blocking"), str(free_port())])
    at_end(lambda: (plain.kill(), plain.wait()))
    wait_until(lambda: proc.listens(plain.pid, int(plain.args[1])))
    assert anonymous_kb(pid) < anonymous_kb(plain.pid) + 64


@test
def what_is_loaded_has_what_it_would_have_if_it_were_executed():
    executed, loaded = trapped("srv_blocking", workers=1), trapped("srv_blocking", workers=1, **untraced())
    said = loaded.wait_event("channel")
    assert (said["backend"], said["level"]) == ("loaded", "info") and "ptrace(2) is forbidden" in said["message"], said
    assert workers(loaded)[0]["backend"] == "loaded"
    pids = executed.worker_pid(), loaded.worker_pid()
    with open("/proc/%d/maps" % pids[1]) as f:
        maps = f.read()
    assert maps.count("worker-shim") == 1 and "libc" not in maps, maps  # the text of the code
    assert anonymous_kb(pids[1]) < anonymous_kb(pids[0]) + 64
    for what in ("comm", "cmdline"):
        one, other = (open("/proc/%d/%s" % (pid, what)).read() for pid in pids)
        assert one.replace(str(executed.port), "") == other.replace(str(loaded.port), ""), (one, other)
    names = [dict(line.split("=", 1) for line in open("/proc/%d/environ" % pid).read().split("\0") if "=" in line) for pid in pids]
    assert names[0].keys() == names[1].keys()
    assert sorted(os.listdir("/proc/%d/fd" % pids[0])) == sorted(os.listdir("/proc/%d/fd" % pids[1]))
    signals = [re.findall(r"^Sig.*$", open("/proc/%d/status" % pid).read(), re.M) for pid in pids]
    assert signals[0][1:] == signals[1][1:], signals


@test
def the_doctor_says_what_forbids_to_trace_a_program():
    untraced()
    ctl = filtered(os.path.join(BUILD, "brokerctl"), 101, 0x50000 | errno.EPERM)
    said = subprocess.run([ctl, "doctor", static("srv_blocking")], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    assert "back end trap" in said and "nobody may trace it (Operation not permitted" in said, said


@test
def what_cannot_be_loaded_is_refused_with_words():
    with open(static("srv_blocking"), "rb") as f:
        write_file("half", "", 0o755)
        with open(tmp("half"), "wb") as half:
            half.write(f.read(0x3000))
    broker = Broker([tmp("half"), "{port}"], workers=1, wait_ready=False, **untraced())
    assert "half is a damaged or incomplete program (ELF) file" in broker.wait_event("worker-failed")["message"]


@test
def what_is_traced_already_is_loaded():
    tools.need("strace")
    broker = Broker(["strace", "-f", "-o", tmp("trace"), static("srv_blocking"), "{port}"], workers=1)
    assert len(who_answers(broker.port)) == 1
    assert workers(broker)[0]["backend"] == "loaded"


@test
def a_guest_may_be_static():
    broker = trapped("srv_blocking", workers=1)
    guest = Guest(broker, [static("srv_blocking"), str(broker.port)])
    assert guest.pid in set(who_answers(broker.port))


def add_go(mode, how, options):
    def serves():
        broker = go(mode, **options())
        serves_through_reloads(broker)
        address = re.compile(r"127\.0\.0\.1:\d+ 127\.0\.0\.1:%d" % broker.port)
        assert address.fullmatch(http_get(broker.port, "/remote").body)
        for _ in range(4):
            assert http_get(broker.port, "/helper").body == "helped <nil>; 42\n <nil>"
        assert not [e for e in broker.events("worker-exit") if e["how"] in ("signal 11", "signal 31")]

    add_test("go_%s_serves_through_reloads_and_runs_helpers_%s" % (mode, how), serves)


for mode in GO:
    for how, options in HOW.items():
        add_go(mode, how, options)


WRAPPERS = {
    "sh": ["/bin/sh", "-c", 'exec "$@"', "sh"],
    "sh_that_waits": ["/bin/sh", "-c", '"$@"; exit', "sh"],
    "env": ["env", "-u", "HOME"],
    "nice": ["nice", "-n", "1"],
    "posix_spawnp": ["python3", "-c", "import os, sys; os.environ['PATH'] += ':' + os.path.dirname(sys.argv[1]); os.waitpid("
                     "os.posix_spawnp(os.path.basename(sys.argv[1]), sys.argv[1:], os.environ), 0)"],
    "a_clean_environment": ["env", "-i"],
}


def add_wrapper(name, words):
    def serves():
        for program, options in itertools.product(("srv_blocking", "srv_prefork"), HOW.values()):
            broker = Broker([*words, static(program), "{port}"], workers=2, **options())
            assert len(set(who_answers(broker.port))) >= 2
            assert {w["backend"] for w in workers(broker)} == {"loaded" if options() else "trap"}
            broker.reload_and_wait()
            assert len(set(who_answers(broker.port))) >= 2
            broker.stop()

    add_test("%s_executes_a_static_program" % name, serves)


for name, words in WRAPPERS.items():
    add_wrapper(name, words)


@test
def what_cannot_be_executed_keeps_nobody_waiting():
    """It is not a program, though it may be executed: to open it would wait for a writer."""
    os.mkfifo(tmp("fifo"), 0o755)
    with open(tmp("wrapper.py"), "w") as f:
        f.write("import os, sys\ntry:\n    os.execv(sys.argv[1], ['x'])\nexcept OSError:\n    os.execv(sys.argv[2], sys.argv[2:])\n")
    broker = Broker(["python3", tmp("wrapper.py"), tmp("fifo"), static("srv_blocking"), "{port}"], workers=1)
    assert who_answers(broker.port) == {broker.worker_pid()}


@test
def a_script_executes_a_go_program():
    for options in HOW.values():
        release = Release('exec %s 127.0.0.1:$1' % go_program("exe"))
        broker = Broker(release.command(), workers=2, **options())
        assert len({http_get(broker.port, "/?id=x").body for _ in range(8)}) == 2
        assert {w["backend"] for w in workers(broker)} == {"loaded" if options() else "trap"}
        broker.stop()


@test
def a_static_program_may_be_the_interpreter_of_a_script():
    port = free_port()
    write_file("inner", "#!%s %d\n" % (static("srv_blocking"), port), 0o755)
    for line in "%s %d" % (static("srv_blocking"), port), "/usr/bin/env -S %s %d" % (static("srv_blocking"), port), tmp("inner") + " a word":
        for options in HOW.values():
            script = write_file("script", "#!%s\n" % line, 0o755)
            broker = Broker([script, "more"], workers=1, **options())
            assert len(who_answers(port)) == 1
            with open("/proc/%d/cmdline" % broker.worker_pid()) as f:
                assert f.read().split("\0")[-3:] == [script, "more", ""]
            broker.stop()


@test
def a_static_wrapper_executes_any_program():
    """One with the library, and ones with the code in it: at a fixed address, and at any."""
    for program, options in itertools.product((app("srv_relay")[0], static("srv_relay"), static("srv_relay_pie")), HOW.values()):
        broker = Broker([static("srv_relay"), "{port}", "none", "exec", program, "kept"], workers=2, **options())
        assert len(set(who_answers(broker.port))) == 2
        assert {w["backend"] for w in workers(broker)} == {"preload" if "static" not in program else "loaded" if options() else "trap"}
        broker.stop()


@test
def a_listener_goes_from_a_wrapper_to_a_static_program():
    for first, wrapper in itertools.product(("bind", "listen"), (app("srv_relay")[0], static("srv_relay"))):
        held = []
        for options in HOW.values():
            broker = Broker([wrapper, "{port}", first, "exec", static("srv_relay"), "kept"], workers=2, **options())
            answered_by(broker.port, set(ready_workers(broker).values()))
            wait_until(lambda: not proc.held_connections([broker.worker_pid()], broker.port))
            held.append(sorted(os.listdir("/proc/%d/fd" % broker.worker_pid())))
            broker.stop()
        assert held[0] == held[1], held


def client_of_stream(broker):
    """It sends a line and returns what came back, and who sent it."""
    client = subprocess.Popen([go_program("exe"), "stream", "https://127.0.0.1:%d/echo" % broker.port],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)
    at_end(lambda: (client.kill(), client.wait()))

    def say(word):
        client.stdin.write(word + "\n")
        client.stdin.flush()
        proto, pid, back = client.stdout.readline().split()
        assert (proto, back) == ("HTTP/2.0", word), (proto, back)
        return int(pid)

    return client, say


@test
def go_streams_of_http_2_outlive_a_reload():
    broker = Broker([go_program("exe"), "127.0.0.1:{port}", "tls"], workers=2, drain_idle="off")
    streams = [client_of_stream(broker) for _ in range(4)]
    old = {say("first") for _, say in streams}
    assert old == set(ready_workers(broker).values()), old
    broker.reload_and_wait()
    for i in range(100):
        assert {say(str(i)) for _, say in streams} == old
    streams.append(client_of_stream(broker))
    assert streams[-1][1]("new") not in old
    for client, _ in streams:
        client.stdin.close()
        assert client.stdout.read() == "" and client.wait() == 0
    for pid in old:
        broker.wait_event("worker-exit", pid=pid)


REQUESTS = int(os.environ.get("TRAP_REQUESTS", "4000"))


def loses_only_what_killed_workers_had(broker):
    """A reload and a SIGKILL after each thousand answers; a worker is stopped first, to see what it has."""
    load, held = Load(broker.port, path="/?ms=1"), 0
    for _ in range(REQUESTS // 2000):
        load.wait_answers(1000)
        broker.reload_and_wait()
        load.wait_answers(1000)
        victim, mark = sorted(ready_workers(broker).values())[0], broker.mark()
        processes = proc.stop_tree(victim)
        held += proc.held_connections(processes, broker.port)
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                proc.send_signal(pid, signal.SIGKILL)
        broker.wait_event("worker-exit", since=mark, pid=victim)
        broker.wait_event("worker-ready", since=mark)
    load.wait_answers(100)
    summary = load.stop()
    note("%d requests, %d failed, %d were in hands that were killed" % (summary["connections"], summary["failed"], held))
    assert summary["failed"] <= held, load.complaints()
    assert {kind for kind, n in summary["errors"].items() if n} <= {"reset", "closed", "short"}, load.complaints()


@test
def reloads_and_kills_lose_only_what_static_workers_had():
    loses_only_what_killed_workers_had(trapped("srv_threads"))


@test
def reloads_and_kills_lose_only_what_go_workers_had():
    loses_only_what_killed_workers_had(go())


def add_wild(deed):
    def harms_itself():
        for options in HOW.values():
            broker = Broker([static("srv_wild"), "{port}", deed], workers=2, stall_timeout="1m", **options())
            good, wild = broker.worker_pid("web.0"), broker.worker_pid("web.1")
            assert who_answers(broker.port) == {good, wild}
            mark = broker.mark()
            with broker.same_fds():
                proc.send_signal(wild, signal.SIGUSR1)
                load = Load(broker.port, total=200)
                load.wait_end()
                assert broker.wait_event("worker-exit", pid=wild)["how"] == "signal 11"
                broker.wait_event("worker-ready", since=mark, worker="web.1")
                assert load.summary["failed"] <= 1, load.complaints()  # what it had in hand
            assert not broker.events("worker-exit", pid=good) and good in who_answers(broker.port)
            broker.stop()

    add_test("a_program_that_harms_its_code_harms_itself_%s" % deed, harms_itself)


for deed in ("unmap", "text", "data"):
    add_wild(deed)


@test
def gdb_debugs_a_trapped_program_and_stops_at_no_trap():
    tools.need("gdb")
    for options in HOW.values():
        gdb_debugs(trapped("srv_blocking", **options()))


def gdb_debugs(broker):
    gdb = tools.Tool(*tools.debug(broker, "web.0", "--from", "127.0.0.1"), "gdb", "-q", "-nx")
    gdb.expect(r"\(gdb\)")
    gdb.say("break app_serve")
    gdb.expect("Breakpoint 1 at .*srv_blocking.c|Breakpoint 1 at .*app.h")
    gdb.say("continue")
    gdb.expect("Continuing")
    sock = connect(broker.port)
    send_request(sock)
    gdb.expect("Breakpoint 1, .*app_serve")
    gdb.say("delete")
    gdb.say("detach")
    assert read_answer(sock).status == 200
    assert "received signal" not in gdb.text(), gdb.text()
    gdb.say("quit")
    gdb.end()


main()

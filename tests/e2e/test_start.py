#!/usr/bin/env python3
"""From the command line and the file to workers that serve."""

import json
import os
import re
import socket
import sys

from harness import *
from lib.steering import ask, workers


def cmd(*words):
    return " ".join(map(str, words))


def who_answers(port, n, address="127.0.0.1"):
    """The workers that answer `n` requests in a row, one at a time."""
    return {http_get(port, address=address).pid for _ in range(n)}


@test
def the_smallest_file_is_enough():
    port = free_port()
    path = write_file("broker.ini", "[service:web]\ncommand = %s\n" % cmd(*app("srv_poll", port)))
    broker = Plain("-c", path)
    assert broker.said(10) == b"", "--ready-fd stays open"
    pids = who_answers(port, 4)
    assert len(pids) == 2, pids
    run_dir = broker.wait_line(r"broker-start: .*run_dir=(\S+?)[ )]").group(1)
    assert os.path.isdir(run_dir)
    broker.stop()
    assert not os.path.exists(run_dir), run_dir
    assert refused(port)


@test
def a_command_line_is_enough():
    port = free_port()
    broker = Plain("-w", "3", "--", *app("srv_poll", port))
    assert wait_until(lambda: len(who_answers(port, 6)) == 3)
    old = who_answers(port, 3)
    broker.signal(signal.SIGHUP)
    broker.wait_line("reload-done")
    assert not old & who_answers(port, 3)


@test
def a_command_line_can_say_where_to_listen():
    first, second, app_port = free_port(), free_port(), free_port()
    Plain(
        *("-w", "1", "-l", "127.0.0.1:%d for %d" % (first, app_port)),
        *("-l", "127.0.0.1:%d for %d" % (second, app_port)),
        *("--", *app("srv_poll", app_port))
    )
    assert len(who_answers(first, 2) | who_answers(second, 2)) == 1
    assert refused(app_port)


@test
def all_services_start_though_only_so_many_workers_may_at_a_time():
    at_a_time = 2 * os.sysconf("SC_NPROCESSORS_ONLN") + 2
    broker = Broker(
        text="[service:many]\ncommand = {apps}/srv_poll {port}\nworkers = %d\n"
        "[service:few]\ncommand = {apps}/srv_poll {port2}\nworkers = 1\n" % (2 * at_a_time),
        timeout=20,
    )
    starts = [e["worker"] for e in broker.events("worker-start")]
    # The many take what there is; the next place that is free is not theirs again.
    assert starts.index("few.0") == at_a_time, starts


@test
def worker_count_is_the_default_number_of_workers():
    broker = Broker(app("srv_poll"), env={"WORKER_COUNT": "3"})
    assert wait_until(lambda: len(who_answers(broker.port, 6)) == 3)
    named = Broker(app("srv_poll"), workers=1, env={"WORKER_COUNT": "3"})
    assert wait_until(lambda: len(who_answers(named.port, 6)) == 1)


@test
def workers_cpus_is_one_for_each_processor_that_we_may_use():
    port = free_port()
    text = "[service:web]\nworkers = cpus\ncommand = %s\n" % cmd(*app("srv_poll", port))
    path = write_file("broker.ini", text)
    cpus = sorted(os.sched_getaffinity(0))
    broker = Plain("-c", path)
    assert len(who_answers(port, 4 * len(cpus))) == len(cpus)
    broker.stop()
    Plain("-c", path, prepare=lambda: os.sched_setaffinity(0, cpus[:1]))
    assert wait_until(lambda: len(who_answers(port, 4)) == 1)


@test
def ready_fd_speaks_when_the_last_service_is_ready():
    gate = Gate()
    release = Release("[ $BROKER_SLOT = 0 ] || %s\n%s" % (gate, GOOD))
    broker = Broker(
        text="[service:a]\ncommand = {apps}/srv_poll {port}\n"
        "[service:b]\ncommand = %s {port2}\n" % release.path,
        wait_ready=False,
    )
    for worker in ("a.0", "a.1", "b.0"):
        broker.wait_event("worker-ready", worker=worker)
    assert not broker.events("broker-ready")
    gate.open()
    broker.wait_ready()
    ready = broker.wait_event("broker-ready")
    last = broker.events("worker-ready", worker="b.1")
    assert last and last[0]["position"] < ready["position"]


@test
def early_clients_wait_at_a_listen_line_until_the_app_is_ready():
    gate = Gate()
    release = Release("%s\n%s" % (gate, GOOD))
    broker = Broker(
        release.command(), listen="127.0.0.1:{port2} for {port}", workers=2, wait_ready=False
    )
    broker.wait_event("worker-start", count=2)
    early = [connect(broker.port2) for _ in range(5)]
    for n, sock in enumerate(early):
        send_request(sock, "/?id=%d" % n)
    gate.open(2)
    assert [read_answer(sock).id for sock in early] == list("01234")
    for sock in early:
        sock.close()
    broker.wait_ready()


@test
def checking_a_file_starts_nothing():
    mark = tmp("started")
    port = free_port()
    text = "[service:web]\ncommand = touch %s\nlisten = 127.0.0.1:%d\n" % (mark, port)
    done = broker_cli("-c", write_file("good.ini", text), "-t")
    assert (done.returncode, done.stderr) == (0, ""), vars(done)
    assert "good.ini: the configuration is valid" in done.stdout
    bad = broker_cli("-c", write_file("bad.ini", text + "worker = 3\n"), "-t")
    assert bad.returncode == 2 and bad.stdout == "", vars(bad)
    assert "bad.ini:4:" in bad.stderr and 'did you mean "workers"?' in bad.stderr, bad.stderr
    assert not os.path.exists(mark)


@test
def a_check_finds_all_that_a_start_would_fail_at():
    denied = tmp("denied")
    os.mkdir(denied)
    script = write_file("script", "#!/no/such/interpreter -x\n", 0o755)
    path = write_file("all.ini", """[broker]
log = /no/such/place/b.log
pid_file = /no/such/place/b.pid
control_group = nosuchgroup
[service:a]
command = nosuchprogram
listen = 192.0.2.77:80
[service:b]
command = true
directory = /no/such/directory
output = /no/such/place/out
[service:c]
command = true
user = nosuchuser
[service:d]
command = %s
[service:e]
command = true
wrap.0 = nosuchwrapper
[service:f]
command = true
listen = %d
""" % (script, free_port()))
    done = broker_cli("-t", "-c", path)
    assert (done.returncode, done.stdout) == (3, ""), vars(done)
    found = [re.sub(".*all.ini:", "", line) for line in done.stderr.splitlines()]
    for start, text in (("2: log: ", "/no/such/place/b.log"), ("3: pid_file: ", "/no/such/place/b.pid"),
                        ("4: control_group: ", "nosuchgroup"), ("6: [service:a] command: ", "nosuchprogram"),
                        ("7: listen: ", "no such address"), ("10: directory: ", "/no/such/directory"),
                        ("11: output: ", "/no/such/place/out"), ("14: user: ", "nosuchuser"),
                        ("16: [service:d] command: ", "/no/such/interpreter"),
                        ("18: [service:e] wrap.0: ", "nosuchwrapper")):
        assert [line for line in found if line.startswith(start) and text in line], (start, done.stderr)
    assert len(found) == 10, done.stderr


@test
def a_check_beside_a_running_broker_is_no_mistake():
    broker = Broker(app("srv_poll"), listen="{port}")
    done = broker_cli("-t", "-c", broker.file)
    assert done.returncode == 0, done.stderr
    broker.stop()


BOTH = """
import select, socket
def listen(family, host, v6only=None):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if v6only is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    s.bind((host, %d))
    s.listen()
    return s
sockets = [listen(socket.AF_INET6, "::", %d), listen(socket.AF_INET, "0.0.0.0")]
while True:
    for s in select.select(sockets, [], [])[0]:
        c = s.accept()[0]
        c.recv(4096)
        c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nhere")
        c.close()
"""


@test
def an_app_that_binds_both_families_gives_no_warning():
    for v6only in (0, 1):
        port = free_port()
        script = write_file("both%d.py" % v6only, BOTH % (port, v6only))
        broker = Broker([sys.executable, script], workers=2)
        # They are ready with the first of their two sockets.
        broker.wait_event("channel", address="0.0.0.0:%d" % port, count=2)
        for host in ("127.0.0.1", "::1") * 3:
            with socket.create_connection((host, port), timeout=30) as sock:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert b"here" in sock.makefile("rb").read(), host
        broker.reload_and_wait()
        assert not [e for e in broker.events("listen") if e["level"] == "warn"], broker.events("listen")
        broker.stop()


@test
def print_config_names_the_origin_of_each_value_and_can_be_read_again():
    path = write_file("b.ini", "[defaults]\nqueue = 3\n[service:web]\ncommand = true 'a b.js'\n")
    done = broker_cli("-c", path, "--print-config", env={"WORKER_COUNT": "5"})
    lines = done.stdout.splitlines()

    def line(key):
        return [re.sub(" +", " ", text) for text in lines if text.startswith(key + " ")][-1]

    assert done.returncode == 0 and done.stderr == "", vars(done)
    assert line("queue") == "queue = 3 # [defaults] %s:2" % path, line("queue")
    assert "WORKER_COUNT" in line("workers") and " 5 " in line("workers"), line("workers")
    assert line("drain_timeout").endswith("# default"), line("drain_timeout")
    again = broker_cli("-c", write_file("again.ini", done.stdout), "-t")
    assert again.returncode == 0, again.stderr


@test
def version_help_and_usage():
    done = broker_cli("-V")
    assert done.returncode == 0 and re.fullmatch(r"broker \d+\.\d+\.\d+\n", done.stdout), vars(done)
    done = broker_cli("-h")
    assert done.returncode == 0 and done.stderr == "" and "--ready-fd" in done.stdout, vars(done)
    for wrong, why in (
        ([], "nothing to run"),
        (["--nonsense"], "usage"),
        (["-c", "x.ini", "-w", "2"], "excludes"),
        (["--ready-fd", "99", "--", "true"], "open descriptor"),
        (["-w", "0", "--", "true"], "1 to 1024"),
        (["-w", "2", "-l", "nowhere", "--", "true"], "nowhere"),
    ):
        done = broker_cli(*wrong)
        assert done.returncode == 2 and why in done.stderr, (wrong, vars(done))


@test
def the_pid_file_lives_as_long_as_the_broker():
    pid_file = tmp("broker.pid")
    broker = Broker(app("srv_poll"), broker={"pid_file": pid_file})
    with open(pid_file) as f:
        assert f.read() == "%d\n" % broker.pid
    assert sorted(os.listdir(broker.run_dir)), "nothing in the run directory"
    broker.stop()  # looks for the run directory
    assert not os.path.exists(pid_file)


@test
def a_worker_knows_who_it_is():
    broker = Broker(app("srv_poll"), name="front", workers=2, env={"BROKER_OLD": "leaks"})
    seen = set()
    for _ in range(2):
        body = http_get(broker.port, "/env").body
        env = dict(line.split("=", 1) for line in body.splitlines())
        assert env["BROKER_WORKER"] == "front." + env["BROKER_SLOT"], env
        assert env["BROKER_SERVICE"] == "front" and env["BROKER_GENERATION"] == "1", env
        assert set(env) == {"BROKER_" + name for name in (
            "SERVICE", "SLOT", "WORKER", "GENERATION", "RENDEZVOUS", "TOKEN", "STDERR")}, env
        seen.add(env["BROKER_WORKER"])
    assert seen == {"front.0", "front.1"}, seen
    broker.reload_and_wait()
    assert "BROKER_GENERATION=2\n" in http_get(broker.port, "/env").body


@test
def nothing_of_the_broker_leaks_into_a_worker():
    port = free_port()
    leak = os.open("/dev/null", os.O_RDONLY)
    at_end(lambda: os.close(leak))
    os.set_inheritable(leak, True)

    def prepare():
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})

    env = {"NOTIFY_SOCKET": "/x", "LISTEN_FDS": "1", "LISTEN_PID": "1", "WATCHDOG_USEC": "1", "FDSTORE": "1"}
    broker = Plain(
        "-w", "1", "--", *app("srv_poll", port), prepare=prepare, keep=(leak,), env=env
    )
    pid = http_get(port).pid
    with open("/proc/%d/status" % pid) as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f)
    libc = 3 << 31  # signals 32 and 33 are libc's own: nobody can set them through it
    assert int(status["SigBlk"], 16) == 0 == int(status["SigIgn"], 16) & ~libc, status
    # Its own standard descriptors, its listening socket, and, out of its way, what the shim keeps.
    wait_until(lambda: proc.held_connections([pid], port) == 0)
    fds = proc.fds(pid)
    assert [fds[n] for n in range(4)] == ["/dev/null", "pipe", "pipe", "socket"], fds
    others = [kind for fd, kind in fds.items() if 4 <= fd]
    assert min(fd for fd in fds if fd > 3) >= 1000 and others == ["socket"] * 3, fds
    assert os.getpgid(pid) == pid != os.getpgid(broker.main_pid)
    found = set(proc.environment(pid)) & set(env)
    assert not found, found


@test
def workers_get_back_the_descriptor_limit_that_the_broker_was_started_with():
    import resource

    port = free_port()
    broker = Plain(
        *("-w", "1", "--", *app("srv_blocking", port)),
        prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 400))
    )
    assert resource.prlimit(http_get(port).pid, resource.RLIMIT_NOFILE) == (200, 400)
    assert resource.prlimit(broker.main_pid, resource.RLIMIT_NOFILE)[0] == 400


def taken_port():
    """A socket that listens on a port which was free; another program may be quicker."""
    for _ in range(100):
        try:
            return socket.create_server(("127.0.0.1", free_port()))
        except OSError:
            continue
    raise AssertionError("no port is free")


@test
def workers_that_took_different_ports_are_said_to_be_so():
    """An app that takes the next port if its own is taken: here, by a program that ends meanwhile."""
    next_port = write_file("next.py", """
import socket, sys
port = int(sys.argv[1])
while True:
    try:
        s = socket.create_server(("127.0.0.1", port))
        break
    except OSError:
        port += 1
while True:
    c = s.accept()[0]
    c.recv(4096)
    c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    c.close()
""")
    with taken_port() as other:
        port = other.getsockname()[1]
        broker = Broker([sys.executable, next_port, port], workers=1)
        broker.wait_event("broker-ready")
    ask(broker, "scale web 2")
    broker.wait_event("worker-ready", worker="web.1")
    why = {w["worker"]: w["why"] for w in workers(broker)}
    assert why["web.0"] == "does not listen on 127.0.0.1:%d, as others do" % port, why
    assert why["web.1"].startswith("does not listen on 127.0.0.1:"), why


@test
def a_worker_runs_where_and_with_what_the_file_says():
    os.mkdir(tmp("srv"))
    started_in = tmp("here")
    os.mkdir(started_in)
    text = (
        "[defaults]\nenvironment = TZ=UTC COLOUR=red\n"
        "[service:plain]\ncommand = {apps}/srv_poll {port}\n"
        "[service:own]\ncommand = {apps}/srv_poll {port2}\ndirectory = %s\n"
        "environment = COLOUR='dark blue'\nclear_environment = yes\n" % tmp("srv")
    )
    broker = Broker(text=text, cwd=started_in, env={"FROM_OUTSIDE": "1", "COLOUR": "blue"})
    pid = http_get(broker.port).pid
    # What the file says is in the place of what the broker was started with, not beside it.
    with open("/proc/%d/environ" % pid) as f:
        assert ("\0" + f.read()).count("\0COLOUR=") == 1
    env = proc.environment(pid)
    assert env["FROM_OUTSIDE"] == "1" and env["TZ"] == "UTC" and env["COLOUR"] == "red", env
    assert os.readlink("/proc/%d/cwd" % pid) == started_in
    pid = http_get(broker.port2).pid
    env = proc.environment(pid)
    assert env["TZ"] == "UTC" and env["COLOUR"] == "dark blue" and env["PWD"] == tmp("srv"), env
    assert os.readlink("/proc/%d/cwd" % pid) == tmp("srv")
    # PATH is what the program itself was found by.
    rest = {n for n in env if not n.startswith("BROKER_")} - {"TZ", "COLOUR", "LD_PRELOAD", "PATH", "PWD"}
    assert not rest, rest


@test
def a_relative_directory_starts_at_the_file():
    os.mkdir(tmp("conf"))
    os.mkdir(tmp("conf", "srv"))
    port = free_port()
    text = "[service:web]\ncommand = %s\ndirectory = ./srv\n" % cmd(*app("srv_poll", port))
    Plain("-c", write_file("conf/broker.ini", text), cwd="/")
    assert os.readlink("/proc/%d/cwd" % http_get(port).pid) == tmp("conf", "srv")


@test
def services_keep_to_themselves():
    broker = Broker(
        text="[service:a]\nworkers = 1\ncommand = {apps}/srv_poll {port}\n"
        "[service:b]\nworkers = 3\ncommand = {apps}/srv_threads {port2}\n"
    )
    a, b = who_answers(broker.port, 6), who_answers(broker.port2, 6)
    assert (len(a), len(b)) == (1, 3) and not a & b, (a, b)
    assert a == {broker.worker_pid("a.0")}


@test
def one_port_of_the_app_is_published_at_several_addresses():
    broker = Broker(
        app("srv_poll"),
        workers=2,
        listen=["127.0.0.1:{port2} for {port}", "[::1]:{port3} for {port}", "127.0.0.2:{port}"],
    )
    assert wait_until(lambda: len(who_answers(broker.port2, 4)) == 2)
    assert wait_until(lambda: len(who_answers(broker.port3, 4, "::1")) == 2)
    assert wait_until(lambda: len(who_answers(broker.port, 4, "127.0.0.2")) == 2)
    assert refused(broker.port) and refused(broker.port2, "::1")


@test
def a_port_alone_is_dual_stack_unless_v6only():
    broker = Broker(app("srv_poll"), listen="{port}")
    assert who_answers(broker.port, 2) == who_answers(broker.port, 2, "::1")
    only = Broker(app("srv_poll"), listen="[::]:{port}", v6only="yes")
    assert wait_until(lambda: len(who_answers(only.port, 2, "::1")) == 2)
    assert refused(only.port)


@test
def without_a_listen_line_the_app_decides_the_address():
    broker = Broker(app("srv_poll"))
    event = broker.wait_event("listen")
    assert event["address"] == "127.0.0.1:%d" % broker.port, event
    assert refused(broker.port, "127.0.0.2") and refused(broker.port, "::1")
    pids = who_answers(broker.port, 4)
    assert len(pids) == 2 and not any(proc.listens(pid, broker.port) for pid in pids)
    assert proc.listens(broker.main_pid, broker.port)


@test
def an_app_with_two_ports_has_two_listeners():
    broker = Broker(app("srv_two", "{port}", "{port2}"), workers=2)
    assert wait_until(lambda: len(who_answers(broker.port, 4)) == 2)
    assert who_answers(broker.port, 4) == who_answers(broker.port2, 4)


@test
def private_ports_are_left_to_the_worker():
    broker = Broker(app("srv_two", "{port}", "{port2}"), workers=1, private_ports="{port2}")
    pid = http_get(broker.port).pid
    assert proc.listens(pid, broker.port2) and not proc.listens(pid, broker.port)
    assert not proc.listens(broker.main_pid, broker.port2)
    assert http_get(broker.port2).pid == pid


@test
def port_zero_is_left_to_the_worker():
    broker = Broker(app("srv_odd", "{port}", "zero"), workers=2)
    pids = who_answers(broker.port, 4)
    ports = set()
    for worker in ("web.0", "web.1"):
        text = broker.wait_event("output", worker=worker)["text"]
        ports.add(int(text.split()[1]))
        assert proc.listens(broker.worker_pid(worker), int(text.split()[1])), text
    assert len(ports) == len(pids) == 2, (ports, pids)


@test
def an_app_that_probes_its_port_first_becomes_ready():
    broker = Broker(app("srv_odd", "{port}", "probe"), workers=2, start_timeout="20s")
    assert wait_until(lambda: len(who_answers(broker.port, 4)) == 2)
    broker.reload_and_wait()
    assert wait_until(lambda: len(who_answers(broker.port, 4)) == 2)
    assert not broker.events("worker-failed")


@test
def output_goes_into_the_log_line_by_line():
    release = Release("echo one $BROKER_WORKER\nprintf 'tab\\there' >&2\n" + GOOD)
    broker = Broker(release.command(), workers=2)
    for n in range(2):
        worker = "web.%d" % n
        assert broker.wait_event("output", worker=worker)["text"] == "one " + worker
    # A line without its end is complete when its writer has ended.
    broker.stop()
    assert [e["text"] for e in broker.events("output", worker="web.1")][1:] == ["tab\there"]


@test
def output_can_go_to_a_file_or_where_the_brokers_goes():
    text = (
        "[service:file]\nworkers = 2\ncommand = %s {port}\noutput = %s\n"
        "[service:same]\nworkers = 1\ncommand = %s {port2}\noutput = inherit\n"
    )
    release = Release("echo out of $BROKER_WORKER\necho err >&2\n" + GOOD)
    broker = Broker(text=text % (release.path, tmp("out.log"), release.path))
    with open(tmp("out.log")) as f:
        lines = sorted(f.read().splitlines())
    assert lines == ["err", "err", "out of file.0", "out of file.1"], lines
    wait_until(lambda: "out of same.0" in broker.stdout.lines())
    wait_until(lambda: "err" in broker.log.lines())
    assert not broker.events("output")


def memory(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def bytes_read(pid):
    with open("/proc/%d/io" % pid) as f:
        return int(f.readline().split()[1])


@test
def a_flood_of_output_starves_nobody():
    port = free_port()
    release = Release("while [ $BROKER_SLOT = 0 ]; do yes; done &\n" + GOOD)
    text = "[broker]\nlog = /dev/null\n[service:web]\ncommand = %s %d\n" % (release.path, port)
    broker = Plain("-c", write_file("b.ini", text))
    load = Load(port, inflight=32)
    load.wait_answers(200)
    before, bytes_before = memory(broker.main_pid), bytes_read(broker.main_pid)
    status = load.wait_answers(2000)
    per_answer = (bytes_read(broker.main_pid) - bytes_before) / 2000
    # One turn of the broker's loop takes one connection and half a KiB. With 16 KiB they starved.
    assert per_answer < 4096, "%d bytes of the flood were read for each answer" % per_answer
    assert len(status["pids"]) == 2, status
    assert memory(broker.main_pid) - before < 1 << 20, (before, memory(broker.main_pid))
    load.assert_clean()


@test
def what_the_broker_says_is_not_lost_in_a_flood():
    port, fifo = free_port(), tmp("log")
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)  # who does not read yet
    release = Release("yes | head -n 100000\n" + GOOD)
    text = "[broker]\nlog = %s\nlog_format = json\n[service:web]\ncommand = %s %d\n"
    path = write_file("b.ini", text % (fifo, release.path, port))
    broker = Plain("-c", path)
    before = memory(broker.main_pid)
    send_signal(http_get(port).pid, signal.SIGKILL)
    wait_until(lambda: len(who_answers(port, 4)) == 2)
    assert memory(broker.main_pid) - before < 1 << 20
    os.set_blocking(reader, True)
    log = EventLog(reader)
    assert log.wait(["log-lost"])["entries"] > 1000
    for fields in ({"worker": "web.0"}, {"worker": "web.1"}):
        log.wait(["worker-ready"], **fields)
    log.wait(["worker-exit"], how="signal 9")
    broker.stop()
    log.wait(["broker-stop"])


@test
def the_log_is_text_for_people_or_json_for_programs():
    port = free_port()
    text = "[broker]\nlog_format = %s\n[service:web]\nworkers = 1\ncommand = %s\n"
    release = Release("echo 'says \"x\"'\n" + GOOD)
    path = write_file("b.ini", text % ("text", cmd(release.path, port)))
    broker = Plain("-c", path)
    when = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} "
    broker.wait_line(when + r"info  web\.0 worker-ready: .*pid=\d+")
    broker.wait_line(when + r'info  web\.0 .*says "x"$')
    broker.stop()
    write_file("b.ini", text % ("json", cmd(release.path, port)))
    broker = Plain("-c", path)
    broker.stop()
    events = [json.loads(line) for line in broker.log.lines()]
    assert all({"time", "level", "event"} <= set(e) for e in events), events
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", events[0]["time"])
    assert [e["text"] for e in events if e["event"] == "output"] == ['says "x"'], events
    words = [e["event"] for e in events]
    order = ["broker-start", "worker-start", "worker-ready", "broker-ready", "broker-stopping"]
    assert [w for w in words if w in order + ["broker-stop"]] == order + ["broker-stop"], words


@test
def verbosity_moves_the_level():
    port = free_port()
    for option, more, less in (("-v", "channel", None), ("-q", None, "worker-start")):
        broker = Plain(option, "-w", "1", "--", *app("srv_poll", port))
        broker.stop()
        said = "\n".join(broker.log.lines())
        assert (not more or more in said) and (not less or less not in said), (option, said)


@test
def a_log_file_is_opened_anew_on_sigusr1():
    log = tmp("broker.log")
    broker = Broker(app("srv_poll"), broker={"log": log})

    def words():
        with open(log) as f:
            return [json.loads(line)["event"] for line in f]

    wait_until(lambda: "broker-ready" in words())
    os.rename(log, log + ".1")
    broker.signal(signal.SIGUSR1)
    wait_until(lambda: os.path.exists(log) and "log-reopened" in words())
    assert broker.log.lines() == []
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == 0
    assert words()[-1] == "broker-stop", words()
    broker.stopped = {}


@test
def the_log_may_go_to_syslog():
    broker = Broker(app("srv_poll"), broker={"log": "syslog"})
    assert wait_until(lambda: len(who_answers(broker.port, 4)) == 2)
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == 0
    assert broker.log.lines() == []
    broker.stopped = {}


main()

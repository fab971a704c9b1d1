#!/usr/bin/env python3
"""What is wrong is said in one line that says what to do, and the exit code says of which kind it is."""

import os
import re
import resource
import shutil
import socket
import subprocess

from harness import *
from lib.control import Control

CONFIG, ENVIRONMENT, RUNNING = 2, 3, 4
NOBODY = 65534


def start(text, broker="", program=None, prepare=None, name="b.ini"):
    """Runs a broker with this file to its end, which must come soon. Returns its result."""
    path = write_file(name, "[broker]\nrun_dir = %s\n%s%s" % (tmp("run"), broker, text))

    def in_child():
        proc.die_with_parent()
        if prepare:
            prepare()

    return subprocess.run(
        [program or broker_program(), "-c", path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        env=clean_environment(),
        preexec_fn=in_child,
    )


def fails(code, text, *wants, **how):
    """It ends with `code` and one line in which all of `wants` stand, and leaves nothing behind."""
    done = start(text, **how)
    # The leak sanitizer, of a process that it is not allowed to look at.
    lines = [l for l in done.stderr.splitlines() if not re.match("==[0-9]+==Unable to get registers", l)]
    assert done.returncode == code and len(lines) == 1 and not done.stdout, (wants, vars(done))
    for want in wants:
        assert want in lines[0], (want, lines[0])
    assert not os.path.exists(tmp("run")) or not os.listdir(tmp("run")), os.listdir(tmp("run"))
    return lines[0]


def service(*command, **settings):
    keys = "".join("%s = %s\n" % item for item in settings.items())
    return "[service:web]\ncommand = %s\n%s" % (" ".join(map(str, command)), keys)


def needs_root():
    if os.geteuid() != 0:
        skip("needs root")


@test
def a_wrong_file_names_place_key_value_and_what_is_allowed():
    good = "[service:web]\ncommand = true\n"
    for text, wants in (
        (good + "worker = 2\n", ['b.ini:5: unknown key "worker"', 'did you mean "workers"?']),
        (good + "workers = many\n", ["b.ini:5: workers:", '"many"', "allowed: 1 to 1024, or cpus"]),
        (good + "workers = 0\n", ["b.ini:5: workers:", "out of range", "1 to 1024"]),
        (good + "drain_timeout = 60\n", ["b.ini:5: drain_timeout:", "write 60s"]),
        (good + "stop_signal = TREM\n", ["b.ini:5: stop_signal:", '"TREM"']),
        (good + "strategy = start-frist\n", ["b.ini:5:", 'did you mean "start-first"?']),
        (good + "listen = localhost:80\n", ["b.ini:5: listen:", "localhost"]),
        (good + "listen = 1.2.3.4:99999\n", ["b.ini:5: listen:", "99999"]),
        (good + "queue = 1\nqueue = 2\n", ["b.ini:6:", "queue", "5"]),
        (good + "[servise:x]\ncommand = y\n", ["b.ini:5:", "servise:x", "service"]),
        (good + "environment = A\n", ["b.ini:5: environment:"]),
        (good + "command = 'x\n", ["b.ini:5:"]),
        ("[service:web]\ncommand = node app.js | cat\n", ["b.ini:4: command:", "|"]),
        ("[service:web]\nworkers = 2\n", ["b.ini:3:", "command"]),
        ("", ["b.ini", "service"]),
    ):
        fails(CONFIG, text, *wants)


@test
def all_mistakes_are_shown_at_once():
    done = start("[service:web]\ncommand = true\nworker = 1\nqueue = 0\nsurge = -1\n")
    assert done.returncode == CONFIG, vars(done)
    assert [re.search(r"b\.ini:(\d+):", line).group(1) for line in done.stderr.splitlines()] == [
        "5", "6", "7",
    ], done.stderr


@test
def a_file_that_cannot_be_read():
    for path, want in (
        (tmp("missing.ini"), "cannot read %s: No such file" % tmp("missing.ini")),
        (tmp(), "is not a regular file"),
    ):
        done = broker_cli("-c", path)
        assert done.returncode == CONFIG and want in done.stderr, vars(done)
        assert len(done.stderr.splitlines()) == 1, done.stderr


@test
def a_file_that_everybody_may_write_is_not_for_root():
    needs_root()
    path = write_file("open.ini", "[service:web]\ncommand = true\n", 0o666)
    done = broker_cli("-c", path)
    assert done.returncode == CONFIG and "chmod go-w %s" % path in done.stderr, vars(done)
    os.chmod(path, 0o664)
    assert broker_cli("-c", path, "-t").returncode == 0


@test
def a_command_that_is_not_there():
    fails(ENVIRONMENT, service("no-such-program"), "[service:web] command: ", "no-such-program", "PATH")
    fails(ENVIRONMENT, service("/no/such/program"), "/no/such/program")


@test
def a_command_that_cannot_be_executed():
    plain = write_file("plain", "#!/bin/sh\n", 0o644)
    fails(ENVIRONMENT, service(plain), plain, "chmod")
    fails(ENVIRONMENT, service(tmp()), tmp())
    text = write_file("text", "hello\n", 0o755)
    fails(ENVIRONMENT, service(text), text, "#!")
    script = write_file("script", "#!/no/such/interpreter\n", 0o755)
    fails(ENVIRONMENT, service(script), script, "/no/such/interpreter")
    empty = write_file("empty", "", 0o755)
    fails(ENVIRONMENT, service(empty), "is empty")


def compiled(name, *options):
    """Our smallest server, built in another way. None if the compiler cannot do that."""
    out = tmp(name)
    source = os.path.join(ROOT, "tests", "apps", "srv_blocking.c")
    command = [os.environ.get("CC", "cc"), "-D_GNU_SOURCE", "-o", out, source] + list(options)
    done = subprocess.run(command, capture_output=True)
    return out if done.returncode == 0 else None


@test
def a_static_program():
    program = compiled("static", "-static")
    if not program:
        skip("no static libc")
    fails(ENVIRONMENT, service(program, backend="preload"), program, "statically linked", "set backend = auto")


def patched(name, offset, value):
    with open(os.path.join(APPS, "srv_poll"), "rb") as f:
        data = bytearray(f.read())
    data[offset : offset + len(value)] = value
    return write_bytes(name, data)


def write_bytes(name, data):
    with open(tmp(name), "wb") as f:
        f.write(data)
    os.chmod(tmp(name), 0o755)
    return tmp(name)


@test
def a_program_for_another_machine():
    arm = patched("arm", 18, (183).to_bytes(2, "little"))
    fails(ENVIRONMENT, service(arm), arm, "arm64", "this machine")


@test
def a_damaged_program():
    with open(os.path.join(APPS, "srv_poll"), "rb") as f:
        short = write_bytes("short", f.read()[:500])
    fails(ENVIRONMENT, service(short), short, "damaged or incomplete")


@test
def a_go_program():
    # What the linker of Go leaves in every program.
    note_file = write_file(
        "note.s",
        '.section .note.go.buildid,"a",@note\n.long 4,4,4\n.asciz "Go\\0"\n.long 0\n'
        '.section .go.buildinfo,"aw"\n.ascii "\\377 Go buildinf:"\n',
    )
    program = compiled("gopher", note_file)
    if not program:
        skip("the compiler does not take it")
    fails(ENVIRONMENT, service(program, backend="preload"), program, "Go program", "set backend = auto")


@test
def a_setuid_program():
    needs_root()
    program = tmp("setuid")
    shutil.copy(os.path.join(APPS, "srv_poll"), program)
    os.chown(program, NOBODY, NOBODY)
    os.chmod(program, 0o4755)
    if os.statvfs(tmp()).f_flag & os.ST_NOSUID:
        skip("the test's directory is mounted nosuid")
    fails(ENVIRONMENT, service(program), program, "is setuid", "chmod u-s")


@test
def a_port_in_use_names_who_uses_it():
    holder = socket.create_server(("127.0.0.1", 0))
    at_end(holder.close)
    port = holder.getsockname()[1]
    for address in ("127.0.0.1:%d" % port, "0.0.0.0:%d" % port):
        fails(
            ENVIRONMENT, service(*app("srv_poll", port), listen=address),
            "cannot listen on %s: Address already in use by " % address, "(pid %d)" % os.getpid(),
        )


@test
def an_address_that_the_machine_does_not_have():
    fails(
        ENVIRONMENT, service(*app("srv_poll", 1), listen="192.0.2.1:%d" % free_port()),
        "cannot listen on 192.0.2.1:", "ip_freebind",
    )


@test
def a_port_in_use_that_the_app_asks_for_itself():
    port = free_port()
    holder = socket.create_server(("127.0.0.1", port))
    at_end(holder.close)
    broker = Broker(app("srv_poll", port), workers=1, wait_ready=False)
    failed = broker.wait_event("worker-failed")
    assert "in use by" in failed["message"] and "(pid %d)" % os.getpid() in failed["message"], failed


@test
def the_app_is_not_started_again_before_its_port_is_free():
    port = free_port()
    holder = socket.create_server(("127.0.0.1", port))
    at_end(holder.close)
    broker = Broker(app("srv_poll", port), workers=1, wait_ready=False)
    waits = broker.wait_event("back-off")
    assert "next start as soon as this is free: " in waits["message"], waits
    # It was looked at several times, and nothing was started or said.
    with Control(broker) as c:
        worker = lambda: [one for one in c.ask("status") if one["type"] == "worker"][0]
        wait_until(lambda: (worker()["state_ms"] or 0) > 1500)
        line = worker()
    assert line["state"] == "back-off" and "in use by" in line["why"], line
    assert [len(broker.events(name)) for name in ("worker-start", "worker-failed", "back-off")] == [1, 2, 1]
    holder.close()
    broker.wait_ready()
    assert http_get(port).pid
    assert len(broker.events("worker-start")) == 2
    broker.stop()


@test
def a_port_that_another_slot_has_got_meanwhile_is_not_waited_for():
    """The first worker finds it in use, and the second, which asks later, does not."""
    port = free_port()
    holder = socket.create_server(("127.0.0.1", port))
    at_end(holder.close)
    late = "[ $BROKER_SLOT = 0 ] || while [ ! -e %s ]; do sleep 0.01; done; exec %s" % (
        tmp("go"), " ".join(app("srv_poll", port)))
    broker = Broker(["sh", "-c", late], workers=2, wait_ready=False)
    broker.wait_event("back-off")
    holder.close()
    write_file("go", "")
    broker.wait_ready()
    broker.stop()


def as_nobody():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    proc.die_with_parent()


def public_copy():
    """The programs where everybody can reach them, and a directory where nobody may write."""
    for name in ("broker", "worker-shim", "libworker-shim.so", "apps/srv_poll", "apps/srv_blocking"):
        shutil.copy(os.path.join(BUILD, name), tmp(os.path.basename(name)))
    os.mkdir(tmp("run"))
    os.chown(tmp("run"), NOBODY, NOBODY)
    return tmp("broker")


@test
def a_low_port_without_the_right_to_it():
    needs_root()
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as f:
        if int(f.read()) <= 1:
            skip("every port is free for all here")
    fails(
        ENVIRONMENT, service(tmp("srv_poll"), 1, listen="127.0.0.1:1"),
        "cannot listen on 127.0.0.1:1: Permission denied", "root or CAP_NET_BIND_SERVICE",
        program=public_copy(), prepare=as_nobody,
    )


@test
def another_user_without_the_right_to_it():
    needs_root()
    fails(
        ENVIRONMENT, service(tmp("srv_poll"), free_port(), user="root"),
        "[service:web]: only root can change to user root", "start the broker as root",
        program=public_copy(), prepare=as_nobody,
    )


@test
def a_user_or_a_group_that_does_not_exist():
    for key, want in (("user", "there is no user"), ("group", "there is no group")):
        text = service("true", **{key: "ghost-of-nobody"})
        fails(ENVIRONMENT, text, "[service:web]: ", want, '"ghost-of-nobody"')
        fails(ENVIRONMENT, service("true"), want, broker="%s = ghost-of-nobody\n" % key)


@test
def a_part_that_is_missing():
    for name in ("worker-shim", "libworker-shim.so"):
        os.mkdir(tmp(name + ".d"))
        for part in ("broker", "worker-shim", "libworker-shim.so"):
            if part != name:
                shutil.copy(os.path.join(BUILD, part), tmp(name + ".d", part))
        fails(
            ENVIRONMENT, service("true"), "%s is missing" % name, "make install",
            program=tmp(name + ".d", "broker"),
        )


@test
def files_that_cannot_be_written():
    nowhere = tmp("no", "such", "directory")
    fails(ENVIRONMENT, service("true"), "log", nowhere, "set log in [broker]",
          broker="log = %s/broker.log\n" % nowhere)
    fails(ENVIRONMENT, service("true"), "pid file", nowhere, "set pid_file in [broker]",
          broker="pid_file = %s/broker.pid\n" % nowhere)
    blocker = write_file("file", "")
    path = write_file("r.ini", "[broker]\nrun_dir = %s/run\n%s" % (blocker, service("true")))
    done = broker_cli("-c", path)
    assert done.returncode == ENVIRONMENT and "run directory %s/run" % blocker in done.stderr
    assert "set run_dir in [broker]" in done.stderr and len(done.stderr.splitlines()) == 1
    too_long = tmp("x" * 100)
    path = write_file("r.ini", "[broker]\nrun_dir = %s\n%s" % (too_long, service("true")))
    done = broker_cli("-c", path)
    assert done.returncode == ENVIRONMENT and "too long" in done.stderr, vars(done)


@test
def a_failed_start_is_said_on_stderr_too_if_the_log_is_a_file():
    line = fails(ENVIRONMENT, service("/no/such/program"), "/no/such/program", broker="log = %s\n" % tmp("b.log"))
    assert line.startswith("broker: "), line
    with open(tmp("b.log")) as f:
        assert line[len("broker: "):] in f.read()


@test
def a_run_directory_of_somebody_else():
    needs_root()
    os.mkdir(tmp("theirs"))
    os.chown(tmp("theirs"), NOBODY, NOBODY)
    path = write_file("r.ini", "[broker]\nrun_dir = %s\n%s" % (tmp("theirs"), service("true")))
    done = broker_cli("-c", path)
    assert done.returncode == ENVIRONMENT and "belongs to this user" in done.stderr, vars(done)


@test
def another_broker_is_here_already():
    pid_file = tmp("shared.pid")
    broker = Broker(app("srv_poll"), broker={"pid_file": pid_file})
    done = broker_cli("-c", broker.file)
    assert done.returncode == RUNNING, vars(done)
    message = " ".join(done.stderr.splitlines())
    assert "another broker (pid %d) runs" % broker.main_pid in message and "run_dir" in message, message
    fails(
        RUNNING, service(*app("srv_poll", free_port())), "another broker (pid %d)" % broker.pid,
        "pid file %s" % pid_file, broker="pid_file = %s\n" % pid_file,
    )
    # It has been left alone.
    assert http_get(broker.port).status == 200
    with open(pid_file) as f:
        assert f.read() == "%d\n" % broker.pid


@test
def what_a_killed_broker_left_is_no_obstacle():
    pid_file = tmp("b.pid")
    first = Broker(app("srv_poll"), workers=1, drain_timeout="1s", broker={"pid_file": pid_file})
    worker = first.worker_pid()
    first.kill()
    assert os.path.exists(pid_file) and os.path.exists(first.run_dir)
    wait_until(lambda: not proc.alive(worker))
    text = service(*app("srv_poll", free_port()))
    path = write_file("again.ini", "[broker]\nrun_dir = %s\npid_file = %s\n%s" % (
        first.run_dir, pid_file, text))
    Plain("-c", path)


@test
def too_few_descriptors_for_the_workers():
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

    text = service(*app("srv_poll", free_port()), workers=50)
    line = fails(ENVIRONMENT, text, "the limit is 100", "ulimit", "fewer workers", prepare=limit)
    assert int(re.search(r"need (\d+) descriptors", line).group(1)) > 300, line


@test
def a_directory_that_is_not_there():
    line = fails(
        ENVIRONMENT, service(*app("srv_poll", free_port()), directory=tmp("gone")), tmp("gone")
    )
    assert "directory" in line, line


def ids(pid):
    with open("/proc/%d/status" % pid) as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return status


@test
def workers_run_as_the_user_and_group_that_the_file_says():
    needs_root()
    public_copy()
    shutil.rmtree(tmp("run"))
    broker = Broker(
        text="[service:user]\nworkers = 1\nuser = nobody\ncommand = {tmp}/srv_poll {port}\n"
        "[service:group]\nworkers = 1\ngroup = daemon\ncommand = {tmp}/srv_poll {port2}\n"
        "[service:none]\nworkers = 1\ncommand = {tmp}/srv_poll {port3}\n",
        env={"HOME": "/root"},
    )
    pid = http_get(broker.port).pid
    status = ids(pid)
    assert status["Uid"].split() == [str(NOBODY)] * 4, status
    assert status["Gid"].split() == [str(NOBODY)] * 4, status
    assert status["Groups"].split() == [str(NOBODY)], status
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0, status
    env = proc.environment(pid)
    assert env["HOME"] == "/nonexistent" and env["USER"] == env["LOGNAME"] == "nobody", env
    status = ids(http_get(broker.port2).pid)
    assert status["Uid"].split() == ["0"] * 4 and status["Gid"].split() == ["1"] * 4, status
    assert "0" not in status["Groups"].split(), status
    pid = http_get(broker.port3).pid
    assert ids(pid)["Uid"].split() == ["0"] * 4
    assert proc.environment(pid)["HOME"] == "/root"
    # They can be rolled and told to end as any other.
    broker.reload_and_wait(service="user")


def free_low_port():
    for port in range(1023, 700, -1):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    skip("no free low port")


@test
def the_broker_gives_up_its_rights_but_not_low_ports():
    needs_root()
    public_copy()
    shutil.rmtree(tmp("run"))
    first, second = free_low_port(), free_port()
    text = (
        "[broker]\nuser = nobody\nlog_format = json\nrun_dir = %s\n[service:web]\nworkers = 1\n"
        "command = %s %d\nlisten = 127.0.0.1:%d for %d\n"
    )
    path = write_file("b.ini", text % (tmp("run"), tmp("srv_poll"), second, first, second))
    broker = Plain("-c", path, program=tmp("broker"), env={"HOME": "/root"})
    status = ids(broker.main_pid)
    assert status["Uid"].split() == status["Gid"].split() == [str(NOBODY)] * 4, status
    assert status["Groups"].split() == [str(NOBODY)], status
    assert int(status["CapPrm"], 16) == 1 << 10, status
    pid = http_get(first).pid
    status = ids(pid)
    assert status["Uid"].split() == [str(NOBODY)] * 4 and int(status["CapEff"], 16) == 0, status
    env = proc.environment(pid)
    assert env["HOME"] == "/nonexistent" and env["USER"] == "nobody", env

    # A low port can still be added, and the old worker's connections are still seen.
    held = connect(first)
    send_request(held, close=False)
    read_answer(held)
    third = free_low_port()
    assert third != first
    with open(path, "a") as f:
        f.write("listen = 127.0.0.1:%d for %d\n" % (third, second))
    broker.signal(signal.SIGHUP)
    broker.log.wait(["reload-done"])
    assert http_get(third).status == 200
    held.close()
    broker.log.wait(["worker-exit"], generation=1, timeout=10)
    broker.stop()
    shutil.rmtree(tmp("run"), ignore_errors=True)


main()

#!/usr/bin/env python3
"""brokerctl doctor: what it says of programs and processes, and that what it proposes works."""

import json
import os
import shutil
import socket
import subprocess
import sys

from harness import *

YES, NO = 0, 1
CTL = os.path.join(BUILD, "brokerctl")


def run(*words, **kwargs):
    return subprocess.run([CTL, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=30, **kwargs)


def doctor(*words, code=YES, **kwargs):
    """The answer as an object. `words`: a pid, or a command and its arguments."""
    rest = ["--", *words[1:]] if words[1:] else []
    done = run("--json", "doctor", words[0], *rest, **kwargs)
    assert (done.returncode, done.stderr) == (code, ""), done
    assert done.stdout.count("\n") == 1, done.stdout
    answer = json.loads(done.stdout)
    assert answer["served"] == (code == YES), answer
    text = run("doctor", words[0], *rest, **kwargs)
    assert text.returncode == code and text.stderr == "", text
    long = [line for line in text.stdout.splitlines() if len(line) > 100 and " " in line.strip()]
    assert all("/" in line or line.startswith("command") for line in long), long
    assert ("For broker.ini:" in text.stdout) == bool(answer["section"]), text.stdout
    answer["text"] = text.stdout
    return answer


def compile_c(name, source, *flags):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        skip("NO C COMPILER")
    path = write_file(name + ".c", source)
    done = subprocess.run([compiler, "-o", tmp(name), path, *flags], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        skip("the compiler cannot: " + done.stderr.splitlines()[0])
    return tmp(name)


def started(*command, **kwargs):
    kwargs.setdefault("env", clean_environment())
    process = subprocess.Popen([str(w) for w in command], stdin=subprocess.DEVNULL,
                               preexec_fn=proc.die_with_parent, **kwargs)

    def end():
        if process.poll() is None:
            process.kill()
        process.wait(10)

    at_end(end)
    return process


def listening(*command, port, **kwargs):
    process = started(*command, **kwargs)
    tree = lambda: [process.pid] + proc.descendants(process.pid)
    wait_until(lambda: any(proc.listens(pid, port) for pid in tree()), 20, "a listening socket")
    return process


# --- commands -------------------------------------------------------------------------------------


@test
def a_dynamic_program_is_served():
    answer = doctor(*app("srv_poll", 3000))
    p = answer["program"]
    assert (p["linkage"], p["class"], p["scripts"], p["go"]) == ("dynamic", "64", [], False), p
    assert p["libc"] in ("glibc", "musl") and p["interpreter"].startswith("/"), p
    assert (answer["backend"], answer["mode"], answer["process"]) == ("preload", "listen", None)
    assert answer["section"] == "[service:srv_poll]\ncommand = %s 3000\n" % app("srv_poll")[0]


TRAPPED = "so that no library sees them: they are trapped in it"


@test
def a_static_program_is_trapped_and_it_says_why():
    program = compile_c("still", "int main(void) { return 0; }", "-static")
    answer = doctor(program)
    assert answer["program"]["linkage"] == "static" and answer["backend"] == "trap", answer
    assert TRAPPED in " ".join(answer["notes"]), answer
    assert "served       yes: back end trap, mode listen\n" in answer["text"], answer["text"]


@test
def a_go_program_is_trapped():
    if not shutil.which("go"):
        note("NO go ON THIS MACHINE: a C program with the mark of the Go toolchain stands in")
    program = compile_c(
        "gopher", '__attribute__((section(".go.buildinfo"), used)) static int x = 1;\n'
        "int main(void) { return !x; }\n")
    answer = doctor(program)
    assert answer["program"]["go"] and answer["backend"] == "trap", answer
    assert "being written in Go, " + TRAPPED in " ".join(answer["notes"]), answer


@test
def scripts_are_followed():
    two = write_file("two", "#!/bin/sh\n", 0o755)
    one = write_file("one", "#!/usr/bin/env %s\n" % two, 0o755)
    answer = doctor(one)
    assert answer["program"]["scripts"][0] == one and two in answer["program"]["scripts"], answer
    assert answer["program"]["binary"] == "/bin/sh", answer
    assert any("is a script" in n for n in answer["notes"]), answer["notes"]


@test
def a_setuid_program_is_not():
    if os.getuid() != 0:
        skip("needs root to make a program setuid")
    shutil.copy(app("srv_poll")[0], tmp("suid"))
    os.chown(tmp("suid"), 65534, 65534)
    os.chmod(tmp("suid"), 0o4755)
    answer = doctor(tmp("suid"), code=NO)
    assert answer["program"]["privilege"] == "setuid" and "is setuid" in answer["reason"], answer


@test
def a_missing_program_is_missing():
    answer = doctor("no-such-program", code=NO)
    assert "no such program in PATH" in answer["reason"], answer
    assert "served       not found\n" in answer["text"], answer["text"]


@test
def a_program_that_would_accept_through_io_uring_is_warned_of():
    library = compile_c("liburing.so.2", "int uring;", "-shared", "-Wl,-soname,liburing.so.2")
    write_file("u.c", "extern int uring; int main(void) { return uring; }")
    done = subprocess.run(["cc", "-o", tmp("u"), tmp("u.c"), library])
    assert done.returncode == 0
    answer = doctor(tmp("u"))
    assert answer["program"]["io_uring"] and "io_uring" in answer["notes"][0], answer


@test
def what_runtimes_are_proposed_as():
    for name, words, section in (("node", ["node", "/srv/shop.js"], "shop"),
                                 ("perl", ["perl", "-e", "1"], "perl")):
        if not shutil.which(name):
            note("NO %s ON THIS MACHINE" % name)
            continue
        answer = doctor(*words)
        assert answer["section"].startswith("[service:%s]\n" % section), answer["section"]


@test
def what_is_for_inetd_is_told_its_mode():
    answer = doctor("/bin/cat", "--inetd")
    assert answer["mode"] == "inetd" and "\nmode = inetd\n" in answer["section"], answer
    assert "listen = PORT" in answer["notes"][0], answer["notes"]
    # No library is needed for that.
    still = compile_c("still", "int main(void) { return 0; }", "-static")
    answer = doctor(still, "--inetd")
    assert (answer["mode"], answer["backend"]) == ("inetd", None), answer
    assert doctor("no-such-program", "--inetd", code=NO)["mode"] is None
    # One that does not say it, but never calls listen().
    program = compile_c("quotes", "#include <stdio.h>\nint main(void) { return puts(\"so\") < 0; }")
    answer = doctor(program)
    assert answer["mode"] == "inetd" and "\nmode = inetd\n" in answer["section"], answer
    answer = doctor("/usr/bin/env", "x")
    assert answer["mode"] == "listen" and answer["program"]["never_listens"], answer
    assert any("`mode = inetd`" in n for n in answer["notes"]), answer["notes"]
    # It is not run for that.
    program = compile_c("touch", '#include <stdio.h>\nint main(void) { return !fopen("%s", "w"); }'
                        % tmp("touched"))
    doctor(program)
    assert not os.path.exists(tmp("touched"))
    answer = doctor(*app("srv_poll", 3000))
    assert not answer["program"]["never_listens"] and "inetd" not in str(answer["notes"]), answer


@test
def words_that_cannot_stand_alone_are_quoted():
    answer = doctor("/bin/sh", "-c", "exec it; # 'not' that\x1b")
    assert "\x1b" not in answer["text"] and "\x1b" not in answer["section"], answer
    answer = doctor("/bin/sh", "-c", "exec x; # 'not' that")
    write_file("b.ini", answer["section"])
    shown = broker_cli("-c", tmp("b.ini"), "--print-config")
    assert shown.returncode == 0 and "exec x; # " in shown.stdout, shown


# --- processes ------------------------------------------------------------------------------------


@test
def the_section_for_a_running_server_serves_it():
    port = free_port()
    server = listening(*app("srv_poll", port), port=port, cwd=tmp())
    answer = doctor(server.pid)
    process = answer["process"]
    assert [(l["address"], l["pid"], l["sockets"]) for l in process["listens"]] == [
        ("127.0.0.1:%d" % port, server.pid, 1)], process
    assert (process["pid"], process["name"], process["directory"]) == (
        server.pid, "srv_poll", os.path.realpath(tmp())), process
    assert "listen = 127.0.0.1:%d for %d\n" % (port, port) in answer["section"], answer["section"]
    server.kill()
    server.wait(10)
    Broker(text=answer["section"])
    assert http_get(port).status == 200


@test
def a_server_that_forks_and_one_with_two_sockets():
    port = free_port()
    server = listening(*app("srv_prefork", port), port=port)
    wait_until(lambda: len(proc.descendants(server.pid)) > 1)
    answer = doctor(server.pid)
    assert answer["process"]["children"] > 1, answer
    assert answer["process"]["listens"][0]["holders"] > 1, answer
    assert any("forks workers of its own" in n for n in answer["notes"]), answer["notes"]

    port = free_port()
    code = ("import socket, sys, time\n"
            "for _ in range(2):\n"
            "    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
            "    s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(); globals()[str(_)] = s\n"
            "print('ready', flush=True); time.sleep(1000)\n")
    server = started(os.path.realpath(sys.executable), "-c", code, port, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    answer = doctor(server.pid)
    server.stdout.close()
    assert answer["process"]["listens"][0]["sockets"] == 2, answer
    assert any("SO_REUSEPORT" in n for n in answer["notes"]), answer["notes"]
    assert answer["section"].count("listen = ") == 1, answer["section"]


@test
def a_debuggers_port_becomes_private():
    with private_port(9229) as server:
        answer = doctor(server.pid)
        assert "private_ports = 9229\n" in answer["section"], answer["section"]
        assert any("debugger's port" in n for n in answer["notes"]), answer["notes"]


class private_port:
    """A server on that port of the loopback; skipped where somebody has it."""

    def __init__(self, port):
        with socket.socket() as sock:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("127.0.0.1", port))
            except OSError:
                skip("port %d is in use here" % port)
        self.server = listening(*app("srv_poll", port), port=port)

    def __enter__(self):
        return self.server

    def __exit__(self, *_):
        self.server.kill()
        self.server.wait(10)


UNIX_SERVER = """
import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
if sys.argv[2:]: t = socket.create_server(("127.0.0.1", int(sys.argv[2])))
print("ready", flush=True); time.sleep(1000)
"""


def on_unix_socket(*arguments):
    server = started(os.path.realpath(sys.executable), "-c", UNIX_SERVER, *arguments,
                     stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    server.stdout.close()
    return server


@test
def a_server_on_a_unix_socket_is_served_on_it():
    answer = doctor(on_unix_socket(tmp("x.sock")).pid)
    assert [u["path"] for u in answer["process"]["unix"]] == [tmp("x.sock")], answer
    assert answer["mode"] == "listen" and "\nlisten = %s\n" % tmp("x.sock") in answer["section"], answer
    port = free_port()
    answer = doctor(on_unix_socket(tmp("y.sock"), port).pid)
    assert "listen = 127.0.0.1:%d for %d\nlisten = %s\n" % (port, port, tmp("y.sock")) in answer["section"], answer


@test
def a_worker_that_has_a_unix_socket_too_is_served():
    script = write_file("server.py", UNIX_SERVER)
    broker = Broker([os.path.realpath(sys.executable), script, tmp("w.sock"), "{port}"], workers=1)
    answer = doctor(broker.worker_pid())
    assert [u["path"] for u in answer["process"]["unix"]] == [tmp("w.sock")], answer
    assert answer["process"]["worker"] == "web.0" and answer["reason"] is None, answer


@test
def hints_in_the_environment_are_seen():
    port = free_port()
    env = clean_environment({"NODE_UNIQUE_ID": "1", "pm_id": "0", "LISTEN_FDS": "1"})
    server = listening(*app("srv_poll", port), port=port, env=env)
    answer = doctor(server.pid)
    process = answer["process"]
    assert process["node_cluster"] and process["pm2"] and process["listen_fds"], process
    text = " ".join(answer["notes"])
    assert "cluster module" in text and "PM2" in text and "LISTEN_FDS" in text, text


@test
def a_worker_of_a_broker_is_known_by_its_name():
    broker = Broker(app("srv_poll"), workers=1)
    answer = doctor(broker.worker_pid())
    process = answer["process"]
    assert (process["worker"], process["service"], process["library"], process["listens"]) == (
        "web.0", "web", True, []), process
    assert any("web.0 of service web" in n for n in answer["notes"]), answer["notes"]
    assert answer["section"] == "", answer


@test
def a_program_that_was_replaced_on_disk_is_looked_at_as_it_runs():
    shutil.copy(app("srv_poll")[0], tmp("server"))
    port = free_port()
    server = listening(tmp("server"), port, port=port)
    os.unlink(tmp("server"))
    write_file("server", "#!/nonexistent\n", 0o755)
    answer = doctor(server.pid)
    assert answer["program"]["linkage"] == "dynamic", answer


@test
def a_static_server_that_runs_is_served():
    program = compile_c("still", "#include <unistd.h>\nint main(void) { return pause(); }", "-static")
    server = started(program)
    wait_until(lambda: "still" in os.readlink("/proc/%d/exe" % server.pid))
    answer = doctor(server.pid)
    assert answer["backend"] == "trap" and "/still" in answer["section"], answer
    assert "listens on no TCP port" in " ".join(answer["notes"]), answer


@test
def what_is_no_process_is_said():
    for word in ("4194304", "0", "9999999999"):
        done = run("doctor", word)
        assert (done.returncode, done.stdout) == (NO, ""), done
        assert "there is no process" in done.stderr, done


@test
def another_users_process_is_not_ours_to_look_at():
    if os.getuid() != 0:
        skip("needs root to become somebody else")
    port = free_port()
    server = listening(*app("srv_poll", port), port=port)
    for name in ("brokerctl", "worker-shim", "libworker-shim.so", "apps/srv_poll"):
        shutil.copy(os.path.join(BUILD, name), tmp(os.path.basename(name)))
    nobody = dict(user=65534, group=65534, extra_groups=[], cwd="/")
    done = subprocess.run([tmp("brokerctl"), "doctor", str(server.pid)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30, **nobody)
    assert (done.returncode, done.stdout) == (NO, ""), done
    assert "may not be looked at by this user" in done.stderr, done
    # ... but its own are, without any right.
    own = free_port()
    theirs = listening(tmp("srv_poll"), own, port=own, user=65534, group=65534, extra_groups=[],
                       cwd="/")
    done = subprocess.run([tmp("brokerctl"), "--json", "doctor", str(theirs.pid)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30,
                          **nobody)
    assert done.returncode == YES, done
    answer = json.loads(done.stdout)
    assert answer["process"]["listens"][0]["port"] == own, answer
    assert "user = " not in answer["section"], answer["section"]
    # Root is told whose it is.
    assert "user = %s\n" % answer["process"]["user"] in doctor(theirs.pid)["section"]


main()

#!/usr/bin/env python3
"""worker-shim --join as the launcher sees it, and the rule for wrappers: the test plays the broker."""

import os
import select
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403

VERSION, REFUSED, JOIN, JOINED = 3, 3, 6, 7


def message(kind, body, version=VERSION):
    return struct.pack("=HHI", version, kind, 8 + len(body)) + body


def join_message(flags=0, service=b"web"):
    return message(JOIN, struct.pack("=II64s", flags, 0, service))


class Control:
    """A control socket that gives each client the same answer: text, or None to close at once."""

    def __init__(self, broker, answer, name="control"):
        self.path = os.path.join(broker.dir, name)
        self.answer, self.requests = answer, []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(self.path)
        self.sock.listen(8)
        broker.open.append(self)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with conn, conn.makefile("rb") as lines:
                self.requests.append(lines.read(80))
                for part in self.answer or ():
                    try:
                        conn.sendall(part)
                    except OSError:
                        break

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def place(broker, ports=(3000,), version=VERSION, worker=b"web.guest.1", rendezvous=None, path=b"/run/w"):
    """The answer to a join, in parts."""
    rendezvous = broker.path.encode() if rendezvous is None else rendezvous
    body = struct.pack("=IH47HI16s64s84s108s108sI", 3, len(ports), *(list(ports) + [0] * (47 - len(ports))), 0,
                       bytes.fromhex(broker.token), b"web", worker, rendezvous, path, 0)
    return [message(JOINED, body, version)]


def run(control, *options, command=("env",), **kwargs):
    path = control if isinstance(control, str) else control.path
    done = subprocess.run(
        [SHIM, "--join", path, "--service", "web", *options, "--", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, **kwargs)
    return done.returncode, done.stdout, done.stderr


@test
def the_answer_becomes_the_environment_of_the_command(broker):
    control = Control(broker, place(broker))
    before = dict(os.environ, BROKER_SLOT="7", BROKER_WRAPPER="/bin/sh", BROKER_TOKEN="old")
    code, out, err = run(control, env=before)
    eq((code, err), (0, ""))
    got = {k: v for k, v in (line.split("=", 1) for line in out.splitlines() if "=" in line)
           if k.startswith("BROKER_") and
           k not in ("BROKER_BUILD", "BROKER_TOOLS_REQUIRED", "BROKER_STDERR")}
    eq(got, dict(BROKER_SERVICE="web", BROKER_WORKER="web.guest.1", BROKER_GENERATION="3",
                 BROKER_RENDEZVOUS=broker.path, BROKER_TOKEN=broker.token,
                 BROKER_PRIVATE_PORTS="1-2999,3001-65535", BROKER_SOCKETS="/run/w"))
    eq(control.requests, [join_message()])
    assert "LD_PRELOAD=%s" % os.path.realpath(os.path.join(BUILD, "libworker-shim.so")) in out


@test
def pinned_only_is_asked_for(broker):
    control = Control(broker, place(broker))
    eq(run(control, "--pinned-only")[0], 0)
    eq(control.requests, [join_message(flags=1)])


@test
def the_command_is_the_process_that_asked(broker):
    control = Control(broker, place(broker))
    proc = subprocess.Popen([SHIM, "--join", control.path, "--service", "web", "--", "sh", "-c",
                             "echo $$; ls -l /proc/$$/fd"], stdout=subprocess.PIPE, text=True)
    out = proc.communicate(timeout=TIMEOUT)[0].splitlines()
    eq(int(out[0]), proc.pid)
    assert not [line for line in out[1:] if "socket:" in line], "the control connection is closed"


@test
def an_answer_in_pieces_is_one_answer(broker):
    whole = place(broker)[0]
    eq(run(Control(broker, [whole[:3], whole[3:50], whole[50:]]))[0], 0)


@test
def the_reason_of_a_refusal_is_passed_on(broker):
    refused = message(REFUSED, struct.pack("=II480s", 1, 0, b"there is no service wob"))
    code, out, err = run(Control(broker, [refused]))
    eq((code, out, err), (126, "", "worker-shim: the broker refuses: there is no service wob\n"))


@test
def text_that_a_broker_says_before_it_knows_who_asks_is_passed_on(broker):
    code, out, err = run(Control(broker, [b'{"type":"error","code":"busy","message":"no room"}\n']))
    assert code == 126 and err.count("\n") == 1 and "no room" in err, err


@test
def whatever_is_wrong_is_said_in_one_line_and_nothing_is_started(broker):
    plain = write_file(broker, "plain", b"")
    dead = os.path.join(broker.dir, "dead")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(dead)
    cases = [
        (os.path.join(broker.dir, "nosuch"), "no such socket"),
        (plain, "no broker listens there"),
        (dead, "no broker listens there"),
        (broker.path, "not a control socket"),
        (os.path.join(broker.dir, "x" * 120), "too long"),
    ]
    other, many = "is not a broker of this version", place(broker)[0]
    answers = [
        (None, "has closed the control connection without an answer"),
        ([many[:100]], other),
        ([b"hello\n"], other),
        ([b"x" * 20000], other),
        (place(broker, version=1), other),
        (place(broker, rendezvous=b"relative"), other),
        (place(broker, worker=b"w" * 84), other),
        ([many + b"x"], other),
    ]
    cases += [(Control(broker, a, "control%d" % n), text) for n, (a, text) in enumerate(answers)]
    for control, want in cases:
        code, out, err = run(control)
        assert code in (2, 126) and out == "", (want, code, out, err)
        assert err.startswith("worker-shim: ") and err.count("\n") == 1 and want in err, (want, err)


@test
def options_that_do_not_go_together_are_refused(broker):
    for options, want in (
        (["--join", "/x"], "needs --service"),
        (["--service", "web"], "need --join"),
        (["--pinned-only"], "need --join"),
        (["--report"], "needs --check"),
        (["--join", "/x", "--service", "web stop"], "not a valid service name"),
        (["--join", "/x", "--service", ""], "not a valid service name"),
        (["--join", "/x", "--service", "web\nstop"], "not a valid service name"),
    ):
        done = subprocess.run([SHIM, *options, "--", "true"], stderr=subprocess.PIPE, text=True,
                              timeout=TIMEOUT)
        eq(done.returncode, 2)
        assert want in done.stderr and done.stderr.count("\n") == 1, (options, done.stderr)


@test
def another_user_is_told_that_it_may_not(broker):
    if os.getuid() != 0:
        raise Skip("needs root to become somebody else")
    control = Control(broker, place(broker))
    os.chmod(broker.dir, 0o755)
    os.chmod(control.path, 0o600)
    code, out, err = run(control, user=65534, group=65534, extra_groups=[])
    eq((code, out, control.requests), (126, "", []))
    assert "not allowed for user 65534" in err, err


@test
def a_program_that_cannot_be_served_does_not_ask(broker):
    control = Control(broker, place(broker))
    eq(run(control, command=["/nonexistent/app"])[0], 127)
    eq(control.requests, [])


@test
def a_guest_is_brokered_where_the_service_listens_and_nowhere_else(broker):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        own = probe.getsockname()[1]
    served = own - 1 if own > 1025 else own + 1
    env = dict(os.environ, BROKER_PRIVATE_PORTS="")
    control = Control(broker, place(broker, ports=(served,)))
    puppet = Puppet.__new__(Puppet)
    puppet.broker, puppet.buf = broker, b""
    puppet.proc = subprocess.Popen(
        [SHIM, "--join", control.path, "--service", "web", "--", os.path.join(APPS, "shim_puppet")],
        env=env, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, bufsize=0)
    broker.procs.append(puppet.proc)
    fd = puppet.num("socket %d %d" % (INET, STREAM))
    eq(puppet("bind %d 127.0.0.1 %d" % (fd, own)), "0")
    eq(puppet("listen %d" % fd), "0")
    socket.create_connection(("127.0.0.1", own)).close()
    assert broker.no_hello()
    fd, hello, channel = puppet.listen("127.0.0.1", served)
    eq((hello.service, hello.generation, hello.slot), ("web", 3, 0))
    check_serves(puppet, broker, channel, fd)


# --- the rule for wrappers ------------------------------------------------------------------------


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wrapped(broker, wrapper, named, port):
    """The puppet below `wrapper`, with `named` in BROKER_WRAPPER."""
    puppet = Puppet.__new__(Puppet)
    puppet.broker, puppet.buf = broker, b""
    env = {"BROKER_WRAPPER": named} if named else {}
    puppet.proc = broker.start(wrapper, str(port), os.path.join(APPS, "shim_puppet"), env=env,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, bufsize=0)
    return puppet


@test
def a_wrapper_listens_for_itself_and_its_app_is_served(broker):
    wrapper, port = os.path.join(APPS, "wrap_listen"), free_port()
    link = os.path.join(broker.dir, "link")
    os.symlink(wrapper, link)
    for named in (wrapper, link):
        puppet = wrapped(broker, wrapper, named, port)
        fd, _, channel = puppet.listen("127.0.0.1", 3000)
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as conn:
            eq(conn.recv(100), b"wrapper\n")
        check_serves(puppet, broker, channel, fd)
        puppet.ends()


@test
def without_the_name_the_wrapper_itself_is_taken_for_the_app(broker):
    """What the rule is for; and a name that is not this program's changes nothing."""
    for named in (None, "/nonexistent", "/bin/sh"):
        port = free_port()
        wrapped(broker, os.path.join(APPS, "wrap_listen"), named, port)
        eq(broker.hello().port, port)


sys.exit(main())

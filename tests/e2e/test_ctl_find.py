#!/usr/bin/env python3
"""brokerctl finds the broker that is meant, or says clearly why not."""

import ctypes
import os
import socket
import subprocess

from harness import *
from lib.ctl import *

STATUS = {"status": [broker_line(), service_line(), worker_line()]}


_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18


def hide_run():
    """For preexec_fn: the brokers that run on this machine in /run are not seen."""
    assert _libc.unshare(CLONE_NEWNS) == 0
    assert _libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0
    assert _libc.mount(b"none", b"/run", b"tmpfs", 0, None) == 0


def needs_namespace():
    if os.geteuid() != 0:
        skip("only root can hide /run and become another user")
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        skip("mount namespaces are not permitted here")


def as_user(uid, of_root=None):
    """
    For preexec_fn: as another user, who does not see what runs on this machine in /run; there is
    nothing but the run directory `of_root`, into which only root may look.
    """

    def change():
        hide_run()
        if of_root:
            os.makedirs(os.path.join("/run/broker", of_root))
            os.chmod(os.path.join("/run/broker", of_root), 0o700)
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)

    needs_namespace()
    os.chown(tmp(), uid, uid)
    return change


def fails(got, code, *parts):
    assert got.returncode == code, (got.returncode, got.stderr)
    assert got.stdout == "", got.stdout
    for part in parts:
        assert part in got.stderr, (part, got.stderr)
    assert got.stderr.startswith("brokerctl: ") and got.stderr.count("brokerctl:") == 1, got.stderr


def shows(got):
    assert got.returncode == 0 and "web.0" in got.stdout and got.stderr == "", (got.stdout, got.stderr)


@test
def the_socket_that_is_named():
    fake = fake_control(STATUS)
    shows(ctl("-s", fake.path, "status"))
    shows(ctl("status", env={"BROKER_CONTROL": fake.path}))
    # What is typed goes before what is in the environment.
    fails(ctl("-s", tmp("none"), "status", env={"BROKER_CONTROL": fake.path}), 3, tmp("none"))
    fails(ctl("-s", fake.path, "-c", "broker.ini", "status"), 2, "-c and -s")


@test
def the_socket_of_a_configuration_file():
    os.mkdir(tmp("run"))
    fake_control(STATUS, "run/control")
    fake_control(STATUS, "other")
    service = "[service:web]\ncommand = x\n"
    write_file("run.ini", "[broker]\nrun_dir = run\n" + service)
    shows(ctl("-c", tmp("run.ini"), "status", cwd="/"))
    write_file("other.ini", "[broker]\ncontrol = ./other\n" + service)
    shows(ctl("-c", tmp("other.ini"), "status", cwd="/"))
    write_file("off.ini", "[broker]\ncontrol = off\n" + service)
    fails(ctl("-c", tmp("off.ini"), "status"), 3, "control = off")
    fails(ctl("-c", tmp("none.ini"), "status"), 3, "cannot read " + tmp("none.ini"))
    # A file that was broken after the broker read it still says where the socket is.
    wrong = "[service:web]\ncomand = x\n[broker]\nlog_level = lots\nmetrcs = 1\n"
    write_file("run-wrong.ini", wrong + "run_dir = run\n")
    shows(ctl("-c", tmp("run-wrong.ini"), "status", cwd="/"))
    write_file("other-wrong.ini", wrong + "control = ./other\n[nonsense\n")
    shows(ctl("-c", tmp("other-wrong.ini"), "status", cwd="/"))
    write_file("key-wrong.ini", "[broker]\ncontrl = ./other\n" + service)
    fails(ctl("-c", tmp("key-wrong.ini"), "status"), 3, 'did you mean "control"', "with -s")
    # The file in the current directory needs not be named.
    write_file("broker.ini", "[broker]\nrun_dir = run\n" + service)
    shows(ctl("status"))
    needs_namespace()
    os.remove(tmp("broker.ini"))
    fails(ctl("status", env={"XDG_RUNTIME_DIR": tmp()}, prepare=hide_run), 3)


@test
def a_broker_that_was_started_with_another_file_is_found_where_it_is_by_itself():
    broker = Broker(app("srv_poll"), workers=1, broker={"run_dir": ""})
    shows = lambda: ctl("-c", broker.file, "status").stdout
    assert "web  serving" in shows()
    for key, value in (("control", tmp("new")), ("run_dir", tmp("run")), ("control", "off")):
        broker.configure(app("srv_poll"), workers=1, broker={"run_dir": "", key: value})
        assert "web  serving" in shows(), (key, value)
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == 0
    broker.stopped = {}
    broker.configure(app("srv_poll"), workers=1, broker={"run_dir": tmp("run")})
    fails(ctl("-c", broker.file, "status"), 3, tmp("run"), "started while the file had another")


def name_of(path):
    h = 2166136261
    for c in os.path.realpath(path).encode():
        h = (h ^ c) * 16777619 % 2**32
    return "%08x" % h


def run_directory(name, uid):
    for path in ("broker", os.path.join("broker", name)):
        if not os.path.exists(tmp(path)):
            os.mkdir(tmp(path))
            os.chown(tmp(path), uid, uid)
    return os.path.join("broker", name, "control")


def command_line():
    with open("/proc/self/cmdline") as f:
        return f.read().rstrip("\0").split("\0")


USER = 54321  # nobody has it, so nobody runs a broker in its directories


def ask(*arguments, **options):
    return ctl(*arguments, env={"XDG_RUNTIME_DIR": tmp()}, cwd="/", prepare=as_user(USER, **options))


def fake_of(uid, path):
    fake = fake_control(STATUS, path)
    os.chown(fake.path, uid, uid)
    return fake


@test
def a_broker_that_chose_its_own_directory():
    as_user(USER)
    write_file("web.ini", "[service:web]\ncommand = x\n")
    fake = fake_of(USER, run_directory(name_of(tmp("web.ini")), USER))
    shows(ask("-c", tmp("web.ini"), "status"))
    # A file that has become wrong since does not hide it: one wants to see it now.
    write_file("web.ini", "[broker]\nrun_dir = elsewhere\n[service:web]\ncommand = x\nworkers = many\n")
    shows(ask("-c", tmp("web.ini"), "status"))
    write_file("web.ini", "[service:web]\ncommand = x\nworkers = many\n")
    shows(ask("-c", tmp("web.ini"), "status"))
    fake.stop()
    fails(ask("-c", tmp("web.ini"), "status"), 3, "workers", "name the socket with -s")
    write_file("web.ini", "[service:web]\ncommand = x\n")
    fails(ask("-c", tmp("web.ini"), "status"), 3, "no broker is running", fake.path)


@test
def one_of_root_is_not_said_not_to_run():
    write_file("web.ini", "[service:web]\ncommand = x\n")
    name = name_of(tmp("web.ini"))
    fails(ask("-c", tmp("web.ini"), "status", of_root=name), 3, "permission denied",
          "/run/broker/%s/control" % name, "control_group")
    fails(ask("-c", tmp("web.ini"), "status", of_root="other"), 3, "no broker is running")


@test
def root_finds_the_broker_of_whoever_owns_the_file():
    needs_namespace()
    write_file("web.ini", "[service:web]\ncommand = x\n")
    name = name_of(tmp("web.ini"))
    run_directory(name, USER)
    fake_of(USER, os.path.join("broker", name, "control"))

    def session_of(uid):
        def prepare():
            hide_run()
            os.makedirs("/run/user/%d/broker" % USER)
            os.chown("/run/user/%d/broker" % USER, uid, uid)
            os.symlink(tmp("broker/" + name), "/run/user/%d/broker/%s" % (USER, name))

        return prepare

    def status(uid):
        return ctl("-c", tmp("web.ini"), "status", cwd="/", prepare=session_of(uid))

    fails(status(USER), 3, "no broker is running", "another user", "-s")
    os.chown(tmp("web.ini"), USER, USER)
    shows(status(USER))
    # What somebody else has put there is not asked.
    fails(status(65432), 3, "no broker is running")


@test
def the_only_one_that_runs_and_no_other():
    as_user(USER)
    one = run_directory("one", USER)
    fails(ask("status"), 3, "no broker is running", tmp("broker"), "/run/broker", "-c FILE")
    first = fake_of(USER, one)
    shows(ask("status"))
    # What a broker that was killed has left does not count.
    left = run_directory("left", USER)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(tmp(left))
    shows(ask("status"))
    second = fake_of(USER, run_directory("two", USER))
    # A path of hexadecimal digits is nobody's name for a broker.
    process = "  pid %d: %s" % (os.getpid(), " ".join(command_line()))
    fails(ask("status"), 3, "2 brokers are running", *("\n  " + fake.path + process[:150]
                                                   for fake in (first, second)))
    first.stop()
    shows(ask("status"))


@test
def a_directory_of_somebody_else_is_not_searched():
    as_user(USER)
    fake = fake_of(USER, run_directory("one", USER))
    os.chmod(fake.path, 0o666)
    shows(ask("status"))
    os.chown(tmp("broker"), 65432, 65432)
    fails(ask("status"), 3, "no broker is running")


STRANGER = 65432  # nor has anybody that


def stranger_at(*path, own=True, mode=0o755):
    """A process of another user answers in that directory, which is that user's or everybody's."""
    os.makedirs(tmp(*path))
    fake = fake_control(STATUS, os.path.join(*path, "control"))
    os.chmod(fake.path, 0o666)
    fake_becomes(fake, STRANGER)
    os.chown(tmp(*path), STRANGER if own else 0, 0)
    os.chmod(tmp(*path), mode)
    return fake


@test
def in_a_directory_of_everybody_a_stranger_is_not_asked():
    as_user(USER)
    fake = stranger_at("tmp", own=False, mode=0o1777)
    # As it happens: the name was taken before the broker came, and its directory exchanged later.
    os.mkdir(tmp("tmp", "broker"))
    write_file("web.ini", "[service:web]\ncommand = x\n")
    os.chown(tmp("web.ini"), USER, USER)
    default = stranger_at("tmp", "broker", name_of(tmp("web.ini")))
    os.chown(tmp("tmp", "broker"), STRANGER, 0)
    os.symlink(tmp("tmp", "broker"), tmp("tmp", "link"))
    os.lchown(tmp("tmp", "link"), STRANGER, 0)

    def ask_there(*arguments, env=None):
        return ctl(*arguments, cwd="/", prepare=as_user(USER), env=env)

    own = {"XDG_RUNTIME_DIR": tmp("tmp")}
    why = "a process of user %d answers at " % STRANGER
    fails(ask_there("-c", tmp("web.ini"), "status", env=own), 3, why + default.path)
    fails(ask_there("-s", fake.path, "status"), 3, why + fake.path, "with -c")
    linked = default.path.replace("/broker/", "/link/")
    fails(ask_there("-s", linked, "status"), 3, why + linked)
    fails(ask_there("status", env={"BROKER_CONTROL": fake.path}), 3, why + fake.path)
    fails(ctl("-s", "tmp/control", "status", cwd=tmp(), prepare=as_user(USER)), 3, why)
    # Nor by root.
    fails(ctl("-s", fake.path, "status"), 3, why + fake.path)
    # Its configuration says who may be there: by its owner, or by its user.
    write_file("there.ini", "[broker]\ncontrol = %s\n[service:web]\ncommand = x\n" % fake.path)
    fails(ask_there("-c", tmp("there.ini"), "status"), 3, why + fake.path)
    os.chown(tmp("there.ini"), STRANGER, 0)
    shows(ask_there("-c", tmp("there.ini"), "status"))
    write_file("user.ini", "[broker]\ncontrol = %s\nuser = %d\ngroup = 0\n[service:web]\n"
               "command = x\n" % (fake.path, STRANGER))
    shows(ask_there("-c", tmp("user.ini"), "status"))


@test
def where_root_has_put_a_user_that_one_is_asked():
    user = as_user(USER)
    os.chown(tmp(), 0, 0)
    os.chmod(tmp(), 0o755)
    fake = stranger_at("run", "web", "deeper")
    os.chown(tmp("run", "web"), STRANGER, 0)
    for who in (None, user):
        shows(ctl("-s", fake.path, "status", cwd="/", prepare=who))
        shows(ctl("-s", "run/web/deeper/control", "status", cwd=tmp(), prepare=who))


@test
def no_right_to_ask():
    as_user(USER)
    fake = fake_control(STATUS)
    fails(ask("-s", fake.path, "status"), 3, "permission denied", fake.path, "sudo", "control_group")
    fake_of(0, run_directory("one", USER))
    fails(ask("status"), 3, "permission denied", "broker/one/control")


@test
def nobody_listens():
    fails(ctl("-s", tmp("none"), "status"), 3, "no broker is running: there is no " + tmp("none"))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(tmp("dead"))
    fails(ctl("-s", tmp("dead"), "status"), 3, "nothing listens on " + tmp("dead"))


@test
def what_is_not_a_broker():
    write_file("file", "x")
    fails(ctl("-s", tmp("file"), "status"), 3, "is not the control socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(tmp("dgram"))
        fails(ctl("-s", tmp("dgram"), "status"), 3, "is not the control socket")
    fails(ctl("-s", "/" + "x" * 200, "status"), 3)
    fake = fake_control()
    for answer in ("HTTP/1.0 400 Bad Request", "[]", "{}", '{"type":"', "\x1b[2J", '{"type":"end"} x'):
        fake.answers["status"] = lambda session, text=answer: session.send(text)
        got = ctl("-s", fake.path, "status")
        fails(got, 3, "is not a broker")
        assert "\x1b" not in got.stderr


@test
def a_line_without_end_is_not_read_for_ever():
    def flood(session):
        while True:
            session.conn.sendall(b"x" * 65536)

    fake = fake_control({"status": flood})
    fails(ctl("-s", fake.path, "status"), 3, "is not a broker")


@test
def a_broker_that_ends_before_it_has_answered():
    def leave(session):
        session.send(broker_line())
        session.close()

    fake = fake_control({"status": leave})
    fails(ctl("-s", fake.path, "status"), 3, "has ended")


@test
def a_broker_that_is_stopped():
    fake = fake_control({"status": lambda session: session.gone.wait(30)})
    fails(ctl("-s", fake.path, "status"), 3, "does not answer", "stopped?")


main()

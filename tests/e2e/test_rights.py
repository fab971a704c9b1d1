#!/usr/bin/env python3
"""What the processes of the broker can do with root's rights, and can never get back."""

import ctypes
import glob
import os
import pwd
import re
import resource
import shutil
import signal
import struct
import subprocess

from harness import *
from lib.steering import ready_workers

CAPS = dict(CHOWN=0, DAC_OVERRIDE=1, FOWNER=3, KILL=5, SETGID=6, SETUID=7, SETPCAP=8,
            NET_BIND_SERVICE=10, NET_RAW=13, SYS_PTRACE=19, SYS_NICE=23, SYS_RESOURCE=24)
CAP_KILL, CAP_NET_BIND_SERVICE, CAP_NET_RAW = (1 << CAPS[name] for name in ("KILL", "NET_BIND_SERVICE", "NET_RAW"))
TO_START = sum(1 << CAPS[name] for name in ("KILL", "SETGID", "SETUID", "SETPCAP", "SYS_NICE", "SYS_RESOURCE"))
KINDS = ("NoNewPrivs", "CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb")
NONE = dict.fromkeys(KINDS, 0)
PTRACE_SEIZE, SYS_PIDFD_GETFD = 0x4206, 438
ALL = ["environ", "mem", "fd/0", "trace", "getfd", "signal"]


def as_root(function):
    """A test that only root can make."""

    def tried():
        if os.geteuid() != 0:
            skip("root only")
        function()

    tried.__name__, tried.__doc__ = function.__name__, function.__doc__
    return test(tried)


def rights(pid):
    """{kind: number}, of its status."""
    with open("/proc/%d/status" % pid) as f:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in f)
    return {kind: int(lines[kind], 16) for kind in KINDS}


def end(broker):
    """One that may not remove its run directory, which lies in one of root."""
    broker.signal(signal.SIGTERM)
    assert broker.wait_exit() == 0
    broker.stopped = {}


def oom_score(pid):
    with open("/proc/%d/oom_score_adj" % pid) as f:
        return int(f.read())


def copy(program, mode, name=None):
    """Of a program, with such rights, owned by us."""
    path = shutil.copy(program, tmp(name or "copy"))
    os.chmod(path, mode)
    return path


# --- workers --------------------------------------------------------------------------------------


@test
def a_worker_can_gain_no_rights_unless_its_service_says_so():
    broker = Broker(app("srv_poll"), workers=1)
    own = rights(os.getpid())
    assert rights(broker.worker_pid()) == dict(own, NoNewPrivs=1), "root stays root"
    broker.configure(app("srv_poll"), workers=1, no_new_privs="no")
    broker.reload_and_wait()
    assert rights(broker.wait_event("worker-ready", generation=2)["pid"]) == own


@test
def a_command_that_is_there_to_gain_rights_may():
    own, port = rights(os.getpid()), app("srv_poll")[1:]
    marked = copy(app("srv_poll")[0], 0o4755, "setuid")
    for key, want in (("auto", 0), ("yes", 1)):
        broker = Broker([marked] + port, workers=1, no_new_privs=key)
        assert rights(broker.worker_pid()) == dict(own, NoNewPrivs=want), key
    group = copy(app("srv_poll")[0], 0o2755, "setgid")
    broker = Broker([group] + port, workers=1)
    assert rights(broker.worker_pid())["NoNewPrivs"] == 0
    env = copy(shutil.which("env"), 0o4755, "env")
    broker = Broker(app("srv_poll"), workers=2, **{"wrap.1": env})
    workers = ready_workers(broker)
    assert [rights(workers["web.%d" % i])["NoNewPrivs"] for i in (0, 1)] == [1, 0], "only under the wrapper"


@as_root
def a_command_with_file_capabilities_may_use_them():
    marked = copy(shutil.which("sleep"), 0o755)
    try:
        os.setxattr(marked, "security.capability", struct.pack("<5I", 0x02000001, CAP_NET_RAW, 0, 0, 0))
    except OSError as error:
        skip("no file capabilities here: %s" % error)
    text = "[service:web]\ncommand = %s 100\nlisten = {port}\nmode = native\nuser = nobody\nworkers = 1\n"
    for key, want in (("auto", CAP_NET_RAW), ("yes", 0)):
        broker = Broker(text=text % marked + "no_new_privs = %s\n" % key, wait_ready=False)
        pid = broker.wait_event("worker-start")["pid"]
        wait_until(lambda: proc.name(pid) == "copy", 10, "the command, which is executed all the same")
        assert rights(pid)["CapEff"] == want, (key, rights(pid))


@as_root
def a_worker_of_another_user_has_nothing_of_root():
    own = rights(os.getpid())
    broker = Broker(app("srv_poll"), workers=1, user="nobody")
    assert rights(broker.worker_pid()) == dict(NONE, NoNewPrivs=1, CapBnd=CAP_NET_RAW)
    broker.configure(app("srv_poll"), workers=1, user="nobody", no_new_privs="no")
    broker.reload_and_wait()
    got = rights(broker.wait_event("worker-ready", generation=2)["pid"])
    assert got == dict(NONE, CapBnd=own["CapBnd"]), got


@as_root
def sudo_and_its_like_are_of_no_use_in_a_worker():
    who = copy(shutil.which("id"), 0o4755, "who")
    os.mkdir(tmp("said"))
    os.chmod(tmp("said"), 0o777)
    for key, want in (("auto", pwd.getpwnam("nobody").pw_uid), ("no", 0)):
        said = tmp("said", key)
        program = "%s -u >%s; exec %s" % (who, said, " ".join(app("srv_poll")))
        Broker(["sh", "-c", program], workers=1, user="nobody", no_new_privs=key)
        with open(said) as f:
            assert f.read() == "%d\n" % want, key


@as_root
def a_helper_of_a_worker_has_no_more_than_the_worker():
    said = tmp("helper")
    script = write_file("check", "#!/bin/sh\ngrep NoNewPrivs /proc/self/status >%s.$$ && mv %s.$$ %s\n" % (said, said, said), 0o755)
    broker = Broker(app("srv_poll"), workers=1, check="command %s" % script)
    with open(said) as f:
        assert f.read().split() == ["NoNewPrivs:", "1"]
    assert broker.worker_pid()


# --- the broker and its parent ---------------------------------------------------------------------


@as_root
def the_parent_ends_workers_of_other_users():
    broker = Broker(app("srv_poll"), workers=1, user="nobody", drain_timeout="0")
    worker = broker.worker_pid()
    broker.kill()
    wait_until(lambda: not proc.alive(worker), 10, "the end of the worker")


def uids(pid):
    with open("/proc/%d/status" % pid) as f:
        return {int(n) for line in f if line.startswith("Uid:") for n in line.split()[1:]}


@as_root
def a_broker_of_its_own_user_starts_workers_of_another_one():
    """Then its parent stays root, with the rights to start them and no others."""
    daemon, nobody = (pwd.getpwnam(name).pw_uid for name in ("daemon", "nobody"))
    text = ("[broker]\nuser = nobody\n[service:own]\nworkers = 1\ncommand = {apps}/srv_poll {port}\ndrain_timeout = 1s\n"
            "[service:web]\nworkers = 1\ncommand = {apps}/srv_poll {port2}\ndrain_timeout = 1s\nuser = %s\n")
    broker = Broker(text=text % "daemon")
    assert uids(broker.pid) == {0} and uids(broker.main_pid) == {nobody}
    kept = TO_START & rights(os.getpid())["CapPrm"]
    assert rights(broker.pid) == dict(NONE, NoNewPrivs=1, CapBnd=CAP_NET_RAW, CapPrm=kept, CapEff=kept)
    assert uids(broker.worker_pid("own.0")) == {nobody}
    assert uids(broker.worker_pid("web.0")) == {daemon}
    assert rights(broker.worker_pid("web.0")) == rights(broker.worker_pid("own.0")) == dict(NONE, NoNewPrivs=1, CapBnd=CAP_NET_RAW)
    assert http_get(broker.port2).pid == broker.worker_pid("web.0")
    # The broker itself may not end it.
    broker.reload_and_wait(service="web")
    old = broker.events("worker-ready", worker="web.0")[0]["pid"]
    wait_until(lambda: not proc.alive(old), 30, "end of the old worker")
    # Nobody else is started.
    broker.configure(text=text % "root")
    broker.reload_and_wait(want="reload-aborted")
    assert "not of those that the file named" in broker.events("worker-failed")[-1]["message"]
    # Not by the broker's death either.
    below = broker.below()
    broker.kill()
    wait_until(lambda: not [pid for pid in below if proc.alive(pid)], 20)


@as_root
def a_broker_with_a_user_of_its_own_has_one_right_and_no_process_of_root():
    broker = Broker(app("srv_poll"), workers=1, broker={"user": "nobody"})
    nobody = pwd.getpwnam("nobody").pw_uid
    got = rights(broker.main_pid)
    assert got == dict(NONE, NoNewPrivs=1, CapBnd=CAP_NET_RAW, CapPrm=CAP_NET_BIND_SERVICE, CapEff=CAP_NET_BIND_SERVICE, CapInh=CAP_NET_BIND_SERVICE)
    assert rights(broker.worker_pid()) == dict(NONE, NoNewPrivs=1, CapBnd=CAP_NET_RAW)
    assert rights(broker.pid) == dict(NONE, NoNewPrivs=1, CapBnd=CAP_NET_RAW, CapPrm=CAP_KILL, CapEff=CAP_KILL)
    for pid in [broker.pid] + proc.descendants(broker.pid):
        assert uids(pid) == {nobody}, pid
    # It can give no worker what it has not.
    broker.configure(app("srv_poll"), workers=1, broker={"user": "nobody"}, no_new_privs="no")
    broker.reload_and_wait(want="reload-aborted")
    assert "has become another user: restart it" in broker.events("worker-failed")[-1]["message"]
    end(broker)
    broker = Broker(app("srv_poll"), workers=1, broker={"user": "nobody"}, no_new_privs="no")
    assert [rights(pid)["NoNewPrivs"] for pid in (broker.pid, broker.worker_pid())] == [0] * 2
    end(broker)


def _look_into(pid):
    libc, could = ctypes.CDLL(None), []
    for name in ("environ", "mem", "fd/0"):
        try:
            os.close(os.open("/proc/%d/%s" % (pid, name), os.O_RDONLY | os.O_NONBLOCK))
            could.append(name)
        except OSError:
            pass
    if libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0:
        could.append("trace")
    if libc.syscall(SYS_PIDFD_GETFD, os.pidfd_open(pid), 0, 0) >= 0:
        could.append("getfd")
    try:
        os.kill(pid, 0)
        could.append("signal")
    except PermissionError:
        pass
    return could


def could_do_to(pid, user=None):
    """What a process of that user (a line of passwd) could do to process `pid`."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if user:
                os.setgroups([])
                os.setresgid(*3 * [user.pw_gid])
                os.setresuid(*3 * [user.pw_uid])
            os.write(write, " ".join(_look_into(pid)).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as f:
        said = f.read()
    os.waitpid(child, 0)
    return said.split()


@as_root
def who_has_its_user_cannot_look_into_a_broker_that_root_started():
    nobody = pwd.getpwnam("nobody")
    broker = Broker(app("srv_poll"), workers=1, broker={"user": "nobody"})
    assert could_do_to(broker.worker_pid(), nobody) == ALL, "as always"
    for pid in broker.pid, broker.main_pid:
        assert could_do_to(pid, nobody) == ["signal"], pid
        assert could_do_to(pid) == ALL, "root may debug it"
    end(broker)


@as_root
def a_worker_of_another_user_cannot_touch_the_broker():
    nobody = pwd.getpwnam("nobody")
    broker = Broker(app("srv_poll"), workers=1, user="nobody")
    assert could_do_to(broker.worker_pid(), nobody) == ALL, "its own"
    for pid in broker.pid, broker.main_pid:
        assert could_do_to(pid, nobody) == [], pid


@as_root
def root_may_debug_a_broker():
    broker = Broker(app("srv_poll"), workers=1)
    assert [could_do_to(pid) for pid in (broker.pid, broker.main_pid)] == [ALL] * 2


@test
def a_crash_of_a_root_broker_leaves_no_core():
    broker = Broker(app("srv_poll"), workers=1, drain_timeout="0", cwd=tmp())
    limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        skip("no core files here")
    resource.prlimit(broker.main_pid, resource.RLIMIT_CORE, limits)
    resource.prlimit(broker.pid, resource.RLIMIT_CORE, limits)
    broker.signal(signal.SIGABRT)
    _, status = os.waitpid(broker.pid, 0)
    broker.process.returncode, broker.stopped = -signal.SIGABRT, {}
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT, status
    assert not os.WCOREDUMP(status), "one core is enough"
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read()
    if pattern[0] in "|/@":
        note("kernel.core_pattern is %r: no core file of the broker can be looked for" % pattern)
    else:
        assert bool(glob.glob(tmp("*core*"))) == (os.geteuid() != 0), os.listdir(tmp())


# --- memory that runs out -------------------------------------------------------------------------


@test
def the_broker_and_its_parent_have_their_own_score():
    own = oom_score(os.getpid())
    for user in ("nobody", None) if os.geteuid() == 0 else (None,):
        broker = Broker(app("srv_poll"), workers=1, broker=dict({"user": user} if user else {}, oom_score_adj=own + 300))
        assert [oom_score(pid) for pid in (broker.pid, broker.main_pid)] == [own + 300] * 2
        assert oom_score(broker.worker_pid()) == own
        broker.configure(app("srv_poll"), workers=1, oom_score_adj=own + 500,
                         broker=dict({"user": user} if user else {}, oom_score_adj=own + 300))
        broker.reload_and_wait()
        assert oom_score(broker.wait_event("worker-ready", generation=2)["pid"]) == own + 500
        end(broker)


@test
def a_score_that_the_kernel_does_not_give_is_refused():
    if int(rights(os.getpid())["CapEff"]) >> 24 & 1:
        skip("CAP_SYS_RESOURCE gives any")
    got = broker_cli("-c", write_file("broker.ini", "[broker]\noom_score_adj = -900\n[service:web]\ncommand = %s 1\n"
                                      % app("srv_poll")[0]))
    assert got.returncode == 3, got
    assert "cannot set oom_score_adj = -900: Permission denied (the broker may not give that much)" in got.stderr, got


# --- the unit of systemd --------------------------------------------------------------------------

UNIT = os.path.join(ROOT, "docs/examples/broker.service")
# As systemd 252 counts it; without what the units take away it would be 9.6.
EXPOSURE = {"broker.service": 3.3, "broker@.service": 1.6}


def exposure(unit):
    """The figure of systemd-analyze for the file, and what it says about each line."""
    got = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", unit], timeout=60,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = re.search(r"Overall exposure level for \S+ ([\d.]+) ", got.stdout)
    assert got.returncode == 0 and found, got
    return float(found.group(1)), got.stdout


@test
def the_unit_takes_away_what_can_be_taken():
    if not shutil.which("systemd-analyze"):
        skip("NO systemd-analyze ON THIS MACHINE: the exposure of the unit was not measured")
    with open(os.path.join(ROOT, "docs/security.md")) as f:
        page = f.read()
    for name, most in EXPOSURE.items():
        got, lines = exposure(os.path.join(os.path.dirname(UNIT), name))
        assert got <= most, lines
    assert "it rates broker.service %s" % EXPOSURE["broker.service"] in page and "and the other %s" % EXPOSURE["broker@.service"] in page


@as_root
def the_unit_leaves_the_broker_what_it_needs():
    """Its bounding set and no_new_privs, for all that a root broker does with the users of its workers."""
    if not shutil.which("setpriv"):
        skip("NO setpriv ON THIS MACHINE: the bounding set of the unit was not tried")
    with open(UNIT) as f:
        named = re.findall(r"CAP_(\w+)", " ".join(re.findall(r"^CapabilityBoundingSet=(.*)", f.read(), re.M)))
    missing = [name for name in named if not rights(os.getpid())["CapBnd"] >> CAPS[name] & 1]
    kept = ",".join(["-all"] + ["+" + name.lower() for name in named if name not in missing])
    program = write_file("confined", "#!/bin/sh\nexec setpriv --no-new-privs --bounding-set %s -- %s \"$@\"\n"
                         % (kept, broker_program()), 0o755)
    os.mkdir(tmp("out"))
    os.chown(tmp("out"), pwd.getpwnam("nobody").pw_uid, -1)
    broker = Broker(app("srv_poll"), workers=2, user="nobody", nice=-1, output=tmp("out", "log"), program=program,
                    listen=[tmp("socket") + " for {port}", "{port}"], socket_user="nobody")
    assert rights(broker.pid)["CapBnd"] == sum(1 << CAPS[name] for name in named if name not in missing)
    with connect(broker.port) as held:
        broker.hup()
        broker.wait_event("reload-done")
        send_request(held)
        assert read_answer(held).status == 200
    assert os.stat(tmp("out", "log")) and os.stat(tmp("socket")).st_uid == pwd.getpwnam("nobody").pw_uid
    said = [line for line in broker.log.tail().splitlines()
            if re.search('"level":"(warn|error)"', line) and "loop-late" not in line]
    assert not said, said


main()

#!/usr/bin/env python3
"""What the kernel lets a worker have, and its variables from a file: each worker has what its file says."""

import os

from harness import *
from lib.steering import ready_workers


def of(pid, file):
    with open("/proc/%d/%s" % (pid, file)) as f:
        return f.read()


def limit(pid, name):
    """(soft, hard) as text."""
    line = next(l for l in of(pid, "limits").splitlines() if l.startswith(name))
    return tuple(line[len(name):].split()[:2])


def field(pid, name):
    """Of its status."""
    return next(l.split()[1] for l in of(pid, "status").splitlines() if l.startswith(name + ":"))


def nice(pid):
    return int(of(pid, "stat").rsplit(")", 1)[1].split()[16])


def variables(pid):
    return dict(entry.split("=", 1) for entry in of(pid, "environ").split("\0") if entry)


@test
def each_setting_reaches_the_worker():
    broker = Broker(app("srv_poll"), workers=1, limit_nofile="600:900", limit_core="0", limit_as="4g",
                    nice=nice(os.getpid()) + 7, oom_score_adj=900, umask="0027")
    pid = ready_workers(broker)["web.0"]
    assert limit(pid, "Max open files") == ("600", "900")
    assert limit(pid, "Max core file size") == ("0", "0")
    assert limit(pid, "Max address space") == (str(4 << 30), str(4 << 30))
    assert nice(pid) == nice(os.getpid()) + 7
    assert of(pid, "oom_score_adj") == "900\n"
    assert field(pid, "Umask") == "0027"
    assert nice(broker.pid) == nice(os.getpid()), "the broker keeps its own"
    assert http_get(broker.port).status == 200


@test
def without_them_a_worker_has_what_the_broker_was_started_with():
    broker = Broker(app("srv_poll"), workers=1)
    pid = ready_workers(broker)["web.0"]
    for name in ("Max open files", "Max core file size", "Max address space"):
        assert limit(pid, name) == limit(os.getpid(), name), name
    assert (nice(pid), field(pid, "Umask")) == (nice(os.getpid()), field(os.getpid(), "Umask"))


@test
def a_reload_changes_them_with_new_workers():
    broker = Broker(app("srv_poll"), workers=1, limit_nofile="700")
    assert limit(ready_workers(broker)["web.0"], "Max open files") == ("700", "700")
    broker.configure(app("srv_poll"), workers=1, limit_nofile="600:700")
    broker.reload_and_wait()
    pid = broker.wait_event("worker-ready", generation=2)["pid"]
    assert limit(pid, "Max open files") == ("600", "700")


@test
def processors_for_all_and_one_for_each():
    ours = sorted(os.sched_getaffinity(0))
    broker = Broker(app("srv_poll"), workers=3, cpu_affinity=str(ours[-1]))
    for pid in ready_workers(broker).values():
        assert os.sched_getaffinity(pid) == {ours[-1]}
    broker.configure(app("srv_poll"), workers=3, cpu_affinity="per-worker")
    broker.reload_and_wait()
    for name, pid in ready_workers(broker).items():
        slot = int(name.split(".")[1])
        assert os.sched_getaffinity(pid) == {ours[slot % len(ours)]}, name


@test
def what_only_root_may_is_done_before_the_worker_gives_that_up():
    if os.geteuid() != 0:
        skip("root only")
    rights = int(field(os.getpid(), "CapEff"), 16)
    may = {"nice": rights >> 23 & 1, "oom_score_adj": rights >> 24 & 1}  # CAP_SYS_NICE, CAP_SYS_RESOURCE
    asked = {key: -3 for key in may if may[key]}
    if not asked:
        skip("this root may neither")
    broker = Broker(app("srv_poll"), workers=1, user="nobody", **asked)
    pid = ready_workers(broker)["web.0"]
    got = {"nice": nice(pid), "oom_score_adj": int(of(pid, "oom_score_adj"))}
    assert asked.items() <= got.items(), got
    assert field(pid, "Uid") != "0"


@test
def what_cannot_be_set_is_named():
    got = broker_cli("-c", write_file("broker.ini", """
[service:web]
command = %s 1
cpu_affinity = 1023
""" % app("srv_poll")[0]))
    assert got.returncode != 0 and "cannot set cpu_affinity = 1023: Invalid argument" in got.stderr, got


@test
def variables_come_from_a_file():
    path = write_file("web.env", "# of this test\nGREETING='hello world'\nBOTH=file\nLAST=\"a\\\"b\"\n")
    broker = Broker(app("srv_poll"), workers=1, environment="BOTH=ini INI=1", environment_file=path)
    got = variables(ready_workers(broker)["web.0"])
    assert (got["GREETING"], got["BOTH"], got["INI"], got["LAST"]) == ("hello world", "file", "1", 'a"b'), got
    write_file("web.env", "GREETING=again\n")
    assert broker.worker_pid()
    broker.reload_and_wait()
    got = variables(broker.wait_event("worker-ready", generation=2)["pid"])
    assert (got["GREETING"], got["BOTH"]) == ("again", "ini"), got
    write_file("web.env", "GREETING=again\nexport X=1\n")
    mark = broker.mark()
    broker.hup()
    refused = broker.wait_event("reload-refused", since=mark)
    assert "web.env:2: a line that is not NAME=value" in str(refused), refused
    os.unlink(path)
    mark = broker.mark()
    broker.hup()
    refused = broker.wait_event("reload-refused", since=mark)
    assert "web.env: No such file or directory" in str(refused), refused


main()

#!/usr/bin/env python3
"""The broker as the first process of a container, and the examples for one."""

import os
import re
import signal
import subprocess

from harness import *

private_namespaces()

EXAMPLES = os.path.join(ROOT, "docs/examples")


class First(Broker):
    """
    A broker that is process 1 of a pid namespace. .pid is its number here; the process that we have
    started is unshare(1), which waits for it.
    """

    def __init__(self, *arguments, **keys):
        program = write_file("first", "#!/bin/sh\nexec unshare --pid --fork --kill-child --mount-proc %s \"$@\"\n"
                             % broker_program(), 0o755)
        super().__init__(*arguments, program=program, wait_ready=False, **keys)
        self.wait_event("broker-ready")  # unshare(1) has --ready-fd, too: its end would not come
        self.pid = proc.descendants(self.process.pid)[0]
        with open("/proc/%d/status" % self.pid) as f:
            assert re.search(r"^NSpid:.*\t1$", f.read(), re.M)

    def zombies(self):
        return [p for p in proc.descendants(self.pid) if (proc.stat(p) or "Z")[0] == "Z"]


@test
def term_ends_it_in_order():
    broker = First(app("srv_poll"), workers=2)
    with connect(broker.port) as held:
        assert http_get(broker.port).status == 200
        broker.signal(signal.SIGTERM)
        broker.wait_event("worker-draining")
        send_request(held)
        assert read_answer(held).status == 200
    broker.wait_stopped()


@test
def its_signals_do_what_they_do_elsewhere():
    broker = First(app("srv_poll"), workers=1)
    broker.reload_and_wait()
    broker.signal(signal.SIGTTIN)
    broker.wait_event("scale", workers=2)
    broker.signal(signal.SIGUSR1)
    broker.wait_event("log-reopened")
    # The kernel drops what the first process has no handler for.
    for sig in (signal.SIGUSR2, signal.SIGALRM, signal.SIGPIPE):
        broker.signal(sig)
    assert http_get(broker.port).status == 200
    broker.stop(signal.SIGINT)


@test
def orphans_are_reaped_and_leave_no_zombie():
    """Of the app, and of what somebody runs in the container: `docker exec` makes no child of ours."""
    release = Release("for n in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.0$n &) ; (exec sh -c 'sleep 0.05 & exit 1' &); done\n" + GOOD)
    broker = First(release.command(), workers=2)
    enter = ["nsenter", "-t", str(broker.pid), "-p", "-m", "--", "sh", "-c", "for n in 1 2 3 4 5; do (sleep 0.0$n &) ; done"]
    for _ in range(5):
        broker.reload_and_wait()
        subprocess.run(enter, check=True)

    def only_its_own():
        below = proc.descendants(broker.pid)
        return not broker.zombies() and not [p for p in below if "sleep" in proc.command_line(p)]

    proc.wait_until(only_its_own, 10, lambda: [proc.describe(p) for p in proc.descendants(broker.pid)])
    # And no more is left than after a start: broker, shadow and two workers.
    proc.wait_until(lambda: len(proc.descendants(broker.pid)) == 4, 10,
                    lambda: [proc.describe(p) for p in proc.descendants(broker.pid)])


@test
def nothing_outlives_it():
    """What has left its workers, and does not end with them, ends with the namespace at the latest."""
    release = Release("setsid sleep 1000 &\n" + GOOD)
    broker = First(release.command(), workers=1, drain_timeout="1s", stop_timeout="200ms")
    left = proc.wait_until(
        lambda: [p for p in proc.descendants(broker.pid) if "sleep 1000" in proc.command_line(p)])
    broker.stop()
    proc.wait_until(lambda: not any(map(proc.alive, left)))


# --- the examples ---------------------------------------------------------------------------------


def example(name):
    with open(os.path.join(EXAMPLES, name)) as f:
        return f.read()


def number(pattern, text):
    return int(re.search(pattern, text).group(1))


def files():
    """{example: the broker.ini in it}"""
    docker = re.search(r"^COPY <<BROKER /etc/broker.ini\n(.*?)^BROKER$", example("Dockerfile"), re.M | re.S).group(1)
    block = re.search(r"^  broker.ini: \|\n((?:    .*\n|\n)+)", example("kubernetes.yml"), re.M).group(1)
    return {"Dockerfile": docker, "kubernetes.yml": re.sub(r"^    ", "", block, flags=re.M)}


def seconds(text, key):
    """As the broker understands it."""
    said = broker_cli("-c", write_file("example.ini", text), "--print-config")
    assert said.returncode == 0, said
    return number(r"(?m)^%s = (\d+)s\b" % key, said.stdout)


@test
def their_files_are_right_and_the_broker_would_start_with_them():
    for name, text in files().items():
        os.makedirs(tmp(name), exist_ok=True)
        here = text.replace("command = node ", "command = %s " % app("srv_poll")[0]).replace("/srv/web", tmp(name))
        assert here.count(tmp(name)) == 1, text
        said = broker_cli("-t", "-c", write_file("example.ini", here))
        assert said.returncode == 0, (name, said)


@test
def what_they_publish_and_probe_is_what_the_broker_listens_on():
    docker, kube = example("Dockerfile"), example("kubernetes.yml")
    for text in files().values():
        listen = number(r"listen = (\d+) for", text)
        metrics = number(r"metrics = 0\.0\.0\.0:(\d+)", text)
        assert re.search(r"^EXPOSE %d %d$" % (listen, metrics), docker, re.M)
        assert "name: http, containerPort: %d " % listen in kube and "name: metrics, containerPort: %d " % metrics in kube
        probes = re.findall(r"httpGet: { path: (/\w+), port: (\d+) }", kube)
        assert {int(port) for _, port in probes} == {metrics} and len(probes) == 3, probes
    broker = Broker(app("srv_poll"), workers=1, broker={"metrics": "0.0.0.0:{port9}"})
    for path, _ in probes:
        assert http_get(broker.port9, path).status == 200, path


@test
def the_time_to_end_is_as_long_as_the_broker_may_take():
    texts, kube = files(), example("kubernetes.yml")
    drain, stop = (seconds(texts["kubernetes.yml"], key) for key in ("drain_timeout", "stop_timeout"))
    grace, before = number(r"terminationGracePeriodSeconds: (\d+)", kube), number(r'command: \["sleep", "(\d+)"\]', kube)
    assert grace >= before + drain + stop + 5, (grace, before, drain, stop)
    words = "preStop (%d s), drain_timeout (%d s), stop_timeout (%d s), and 5 s more" % (before, drain, stop)
    assert words in kube, words
    drain, stop = (seconds(texts["Dockerfile"], key) for key in ("drain_timeout", "stop_timeout"))
    assert number(r"docker stop -t (\d+)", example("Dockerfile")) >= drain + stop + 5
    # A start that takes its time is not killed.
    every, tries = re.search(r"startupProbe:\n.*\n +periodSeconds: (\d+)\n +failureThreshold: (\d+)", kube).groups()
    assert int(every) * int(tries) >= 2 * seconds(texts["kubernetes.yml"], "start_timeout")


main()

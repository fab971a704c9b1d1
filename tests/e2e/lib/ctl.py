"""brokerctl, run to its end or beside the test."""

import os
import subprocess
import sys

from . import proc, tap
from .broker import clean_environment
from .paths import BUILD, TESTS

sys.path.insert(0, os.path.join(TESTS, "harness"))
from fake_control import (  # noqa: E402
    FakeControl, Session, broker_line, end, error, service_line, worker_line,
)

BROKERCTL = os.path.join(BUILD, "brokerctl")


def environment(extra=None):
    env = clean_environment({"TERM": "dumb"})
    for name in ("COLUMNS", "NO_COLOR", "XDG_RUNTIME_DIR"):
        env.pop(name, None)
    env.update(extra or {})
    return env


def ctl(*arguments, env=None, cwd=None, timeout=30, prepare=None):
    """Has .returncode .stdout .stderr."""

    def in_child():
        proc.die_with_parent()
        if prepare:
            prepare()

    return subprocess.run(
        [BROKERCTL] + [str(a) for a in arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=timeout, env=environment(env), cwd=cwd or tap.tmp(), preexec_fn=in_child,
    )


def start_ctl(*arguments, **options):
    """A Popen, with text on its three descriptors; it ends with the test."""
    process = subprocess.Popen(
        [BROKERCTL] + [str(a) for a in arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(), cwd=tap.tmp(), preexec_fn=proc.die_with_parent, **options,
    )

    def clean():
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)

    tap.at_end(clean)
    return process


def fake_control(answers=None, name="control"):
    """A control socket in the directory of this test."""
    fake = FakeControl(tap.tmp(name), answers)
    tap.at_end(fake.stop)
    return fake


def fake_becomes(fake, uid):
    """Of another user: the rights of a listening socket are those of the process that listens."""
    if os.geteuid() != 0:
        tap.skip("only root can be somebody else")
    pid = os.fork()
    if pid == 0:
        os.setuid(uid)
        fake._listener.listen(16)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

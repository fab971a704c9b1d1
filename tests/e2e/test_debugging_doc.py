#!/usr/bin/env python3
"""docs/debugging.md, typed again: what it shows must be what happens."""

import os
import re
import resource
import shutil
import subprocess

from harness import *
from lib import walk
from lib.tools import is_required, need

private_namespaces()

APPS_SOURCE = os.path.join(ROOT, "tests", "apps")
PAGE = os.path.join(ROOT, "docs", "debugging.md")


def core_dumps():
    """Whether a crash leaves a file beside the program: not with a collector, nor with a limit."""
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read().strip()
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    return "/" not in pattern and "|" not in pattern and hard == resource.RLIM_INFINITY


def perf_works():
    command = ["perf", "record", "-q", "-o", tmp("probe"), "--", "sh", "-c", "for i in $(seq 9999); do :; done"]
    if not shutil.which("perf") or subprocess.run(command, capture_output=True).returncode:
        return False
    report = subprocess.run(
        ["perf", "report", "-i", tmp("probe"), "--stdio"], capture_output=True, text=True
    )
    return "%" in re.sub(r"^#.*$", "", report.stdout, flags=re.M)


def asan_works():
    command = ["cc", "-fsanitize=address", "-x", "c", "-", "-o", tmp("probe")]
    return subprocess.run(command, input=b"int main(void) { return 0; }", capture_output=True).returncode == 0


ABILITIES = {"core": core_dumps, "perf": perf_works, "asan": asan_works}
known = {}


def has(word):
    if word not in known:
        known[word] = ABILITIES[word]() if word in ABILITIES else bool(shutil.which(word))
        if not known[word]:
            assert word in ABILITIES or not is_required(word), "needs " + word
            note("passed over what needs " + word)
    return known[word]


def page(first, last=None):
    """From one heading up to, and without, another."""
    with open(PAGE) as f:
        text = f.read()
    begin = text.index("\n## %s\n" % first)
    return text[begin : text.index("\n## %s\n" % last) if last else len(text)]


@test
def from_a_request_that_hangs_to_the_line():
    need("gdb", "curl", "cc")
    shutil.copy(os.path.join(ROOT, "docs", "examples", "prices.c"), tmp("prices.c"))
    said = walk.run(page("The example", "node"), has)
    assert "FAILED" not in said, said


@test
def node_opens_its_inspector():
    need("node", "curl")
    shutil.copy(os.path.join(APPS_SOURCE, "app.js"), tmp("app.js"))
    walk.run(page("node", "Python"), has)


@test
def python_dumps_its_stacks():
    walk.run(page("Python", "Java"), has)


@test
def java_dumps_its_stacks():
    need("java", "jstack")
    shutil.copy(os.path.join(APPS_SOURCE, "JdkHttp.java"), tmp("JdkHttp.java"))
    walk.run(page("Java", "What must be allowed"), has)


main()

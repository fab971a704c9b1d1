#!/usr/bin/env python3
"""
make and make install: a broker that was installed finds its parts where it was installed, whatever was
built before; and other flags make again what they change, and only that.
"""

import os
import re
import shutil
import subprocess

from harness import *


class Tree:
    """A copy of what is built, so that nothing here disturbs the tests that run beside."""

    def __init__(self):
        self.build = tmp("build")
        self.prefix = tmp("prefix")
        os.mkdir(self.build)
        for name in ("obj", "flags", "broker", "brokerctl", "worker-shim", "libworker-shim.so"):
            subprocess.check_call(["cp", "-a", os.path.join(BUILD, name), self.build])

    def make(self, *arguments):
        """What it compiled."""
        # As a person types it: without the variables of the make that runs the tests.
        env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
        done = subprocess.run(["make", "-C", ROOT, "BUILD=" + self.build, *arguments], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        assert done.returncode == 0, done.stdout
        return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  CC")]

    def installed(self, *path):
        return os.path.join(self.prefix, *path)


@test
def an_installed_broker_finds_its_parts_below_the_prefix():
    tree = Tree()
    made = tree.make("install", "PREFIX=" + tree.prefix)
    assert "broker/start.c" in made and len(made) < 20, made
    for path in (("sbin", "broker"), ("sbin", "brokerctl"), ("lib", "broker", "worker-shim"),
                 ("lib", "broker", "libworker-shim.so"), ("share", "man", "man8", "broker.8"),
                 ("share", "man", "man3", "handoff.3"), ("include", "handoff.h")):
        assert os.path.exists(tree.installed(*path)), path
    for unit in ("broker.service", "broker@.service"):
        with open(tree.installed("lib", "systemd", "system", unit)) as f:
            started = [line.split("=", 1)[1].split()[0] for line in f if line.startswith("Exec")]
        assert started == [tree.installed("sbin", name) for name in ("broker", "broker", "brokerctl")], started
    # It must not find them by chance: not beside itself, not where it was built.
    shutil.rmtree(tree.build)
    broker = Broker(app("srv_poll"), workers=1, program=tree.installed("sbin", "broker"))
    assert http_get(broker.port).pid == broker.worker_pid()
    with open("/proc/%d/environ" % broker.worker_pid()) as f:
        assert tree.installed("lib", "broker", "libworker-shim.so") in f.read()
    said = subprocess.run([tree.installed("sbin", "brokerctl"), "doctor", app("srv_poll")[0], "--", "8080"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert said.returncode == 0, said.stdout


@test
def systemd_finds_nothing_wrong_with_the_installed_units():
    if not shutil.which("systemd-analyze"):
        skip("NO systemd-analyze ON THIS MACHINE: the units were not verified")
    tree = Tree()
    tree.make("install", "PREFIX=" + tree.prefix)
    for unit in ("broker.service", "broker@.service"):
        path = tree.installed("lib", "systemd", "system", unit)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        # It also looks at what other units of the machine say.
        own = [line for line in done.stdout.splitlines() if "broker" in line]
        assert not own and done.returncode == 0, done.stdout
        # A word that it does not know it does not fail for, but says.
        assert "Unknown" not in done.stdout, done.stdout


@test
def the_links_of_the_installed_documents_lead_somewhere():
    tree = Tree()
    tree.make("install", "PREFIX=" + tree.prefix)
    top = tree.installed("share", "doc", "broker")
    names = [os.path.join(where, name) for where, _, names in os.walk(top) for name in names if name.endswith(".md")]
    links = 0
    for name in names:
        with open(name) as f:
            for link in re.findall(r"\]\(([^)\s#]+)", f.read()):
                if not re.match(r"[a-z]+:", link):
                    links += 1
                    assert os.path.exists(os.path.join(os.path.dirname(name), link)), (name, link)
    assert links > 20, links
    assert os.path.exists(os.path.join(top, "docs", "examples", "minimal.ini"))


@test
def each_header_stands_alone_in_c_and_in_cplusplus():
    for compiler, suffix, standard in (("cc", "c", "gnu11"), ("c++", "cc", "gnu++17")):
        if not shutil.which(compiler):
            continue
        for name in os.listdir(os.path.join(ROOT, "include")):
            source = tmp("%s.%s" % (name, suffix))
            with open(source, "w") as f:
                f.write('#include "%s"\n' % name)
            subprocess.check_call([compiler, "-std=" + standard, "-I", os.path.join(ROOT, "include"),
                                   "-c", "-o", os.devnull, source])


@test
def a_worker_is_built_with_what_is_installed():
    """As handoff(3) says, with pkg-config and both libraries; and it runs."""
    tree = Tree()
    tree.make("install", "PREFIX=" + tree.prefix)
    path = tree.installed("lib", "pkgconfig")
    if shutil.which("pkg-config"):
        flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "handoff"], text=True,
                                        env=dict(os.environ, PKG_CONFIG_PATH=path)).split()
    else:
        with open(os.path.join(path, "handoff.pc")) as f:
            lines = dict(line.strip().split(": ", 1) for line in f)
        flags = (lines["Cflags"] + " " + lines["Libs"]).split()
    worker = tmp("worker")
    subprocess.check_call(["cc", os.path.join(ROOT, "docs/examples/worker.c"), *flags, "-o", worker,
                           "-Wl,-rpath," + tree.installed("lib")])
    assert "libhandoff.so.1" in subprocess.check_output(["ldd", worker], text=True)
    broker = Broker([worker, "127.0.0.1:{port}"], workers=1, mode="native")
    assert http_get(broker.port).pid == broker.worker_pid()
    # Of the archive, a program sees what the header declares, and no other name.
    names = subprocess.check_output(["nm", "-g", "--defined-only", tree.installed("lib", "libhandoff.a")], text=True)
    names = [line.split()[-1] for line in names.splitlines() if " T " in line or " D " in line or " B " in line]
    assert len(names) == 7 and all(name.startswith("handoff_") for name in names), names


@test
def what_is_built_is_preferred_to_what_is_installed():
    """Also on a machine where another version is installed: it is the one beside the program."""
    tree = Tree()
    tree.make("install", "PREFIX=" + tree.prefix)
    broker = Broker(app("srv_poll"), workers=1, program=os.path.join(tree.build, "broker"))
    with open("/proc/%d/environ" % broker.worker_pid()) as f:
        assert os.path.join(tree.build, "libworker-shim.so") in f.read()


@test
def other_flags_make_again_what_they_change():
    tree = Tree()
    assert tree.make("all") == []
    assert tree.make("all", "WERROR=1") == []
    first = tree.make("all", "PREFIX=/elsewhere")
    assert "broker/start.c" in first and "broker/sys/loop.c" not in first, first
    assert tree.make("all", "PREFIX=/elsewhere") == []
    assert sorted(tree.make("all")) == sorted(first)
    # All of them: seen without building them.
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    said = subprocess.run(["make", "-n", "-C", ROOT, "BUILD=" + tree.build, "SAN=address", "all"], env=env,
                          stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    assert "broker/sys/loop.c" in said and "-fsanitize=address" in said


main()

#!/usr/bin/env python3
"""worker-shim: what it finds, what it refuses, and how it says so."""

import ctypes
import errno
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403


# --- the launcher -------------------------------------------------------------------------------


def run_shim(*args, env=None, **kwargs):
    done = subprocess.run([SHIM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=env, timeout=TIMEOUT, **kwargs)
    return done.returncode, done.stdout, done.stderr


@test
def check_names_the_file_that_really_runs(broker):
    perl = shutil.which("perl") or "/bin/sh"
    name = os.path.basename(perl)
    one = write_file(broker, "one", b"#!/usr/bin/env %s\n" % name.encode())
    two = write_file(broker, "two", b"#!%s -x\n" % one.encode())
    three = write_file(broker, "three", b"#!/usr/bin/env -S A=1 %s -w\n" % name.encode())
    for script in (one, two, three):
        code, out, err = run_shim("--check", "--", script)
        eq((code, err), (0, ""))
        assert re.fullmatch(r"%s: dynamic, interpreter /\S+: backend preload\n" % re.escape(perl),
                            out), out


@test
def refusals_say_what_was_found_and_what_to_do(broker):
    puppet = open(os.path.join(APPS, "shim_puppet"), "rb").read()
    other_class = bytearray(puppet)
    other_class[4] = 1
    other_machine = bytearray(puppet)
    other_machine[18:20] = struct.pack("<H", 183 if puppet[18] != 183 else 62)
    no_loader = puppet.replace(b"/lib64/ld-linux", b"/nolib/ld-linux")
    loop = os.path.join(broker.dir, "loop")
    cases = [
        (write_file(broker, "empty", b""), 126, "is empty"),
        (write_file(broker, "text", b"hello\n"), 126, "neither a program"),
        (write_file(broker, "plain", b"#!/bin/sh\n", 0o644), 126, "is not executable"),
        (write_file(broker, "nosuch", b"#!/nonexistent/sh\n"), 127, "/nonexistent/sh: no such file"),
        (write_file(broker, "noenv", b"#!/usr/bin/env nosuchprogram\n"), 127, "no such program in PATH"),
        (write_file(broker, "loop", b"#!%s\n" % loop.encode()), 126, "more than 5 deep"),
        (write_file(broker, "cut", puppet[:200]), 126, "damaged or incomplete"),
        (write_file(broker, "class", bytes(other_class)), 126, "32-bit program"),
        (write_file(broker, "machine", bytes(other_machine)), 126, "use a build of the program"),
        (write_file(broker, "loader", no_loader), 126, "needs the dynamic linker"),
        ("/nonexistent/app", 127, "/nonexistent/app: no such file"),
        ("no-such-command", 127, "no such program in PATH"),
        (broker.dir, 126, "is a directory"),
    ]
    for command, want_code, want_text in cases:
        code, out, err = run_shim("--", command)
        eq((command, code, out), (command, want_code, ""))
        assert err.startswith("worker-shim: ") and err.count("\n") == 1, err
        assert want_text in err, "%s: %s" % (command, err)


@test
def the_file_that_is_in_the_way_is_named(broker):
    real = write_file(broker, "plainfile", b"#!/bin/sh\n")
    os.symlink("/gone/target", os.path.join(broker.dir, "link"))
    cases = [
        (os.path.join(broker.dir, "no", "app"), "no such file: %s/no is not there" % broker.dir),
        (real + "/app", "no such file: %s is not a directory" % real),
        (os.path.join(broker.dir, "link"), "is a symbolic link to /gone/target, which is not there"),
    ]
    for command, text in cases:
        code, _, err = run_shim("--", command)
        assert code == 127 and text in err, (command, code, err)
    if os.geteuid() != 0:
        raise Skip("the rest needs root")
    # In a mount namespace of its own: the mount ends with it.
    noexec = os.path.join(broker.dir, "noexec")
    os.mkdir(noexec)
    got = subprocess.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o noexec none "$1" && '
                          'cp /bin/true "$1/app" && exec "$0" -- "$1/app"', SHIM, noexec],
                         capture_output=True, text=True, timeout=TIMEOUT)
    assert got.returncode == 126 and "%s/app is on a file system that is mounted noexec" % noexec in got.stderr, got


@test
def a_directory_that_a_user_may_not_pass_is_named(broker):
    if os.geteuid() != 0:
        raise Skip("needs root")
    # Away from the private directory of the test, which that user cannot pass either.
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        closed = os.path.join(top, "closed")
        os.makedirs(os.path.join(closed, "in"))
        for name in ("worker-shim", "libworker-shim.so"):
            shutil.copy(os.path.join(os.path.dirname(SHIM), name), top)
        shutil.copy("/bin/true", os.path.join(closed, "in", "app"))
        os.chmod(closed, 0o700)
        got = subprocess.run([os.path.join(top, "worker-shim"), "--", os.path.join(closed, "in", "app")],
                             user=65534, group=65534, extra_groups=[], capture_output=True, text=True)
        assert got.returncode == 126, got
        assert "user 65534 may not pass through the directory %s:" % closed in got.stderr, got


def compiled(broker, source, *options):
    binary = os.path.join(broker.dir, "a")
    with open(binary + ".c", "w") as f:
        f.write(source)
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise Skip("no compiler")
    subprocess.run([compiler, "-o", binary, binary + ".c", *options], check=True)
    return binary


NOTHING = "int main(void) { return 0; }\n"
STATIC = (NOTHING, "-static")
GO = ('__attribute__((section(".go.buildinfo"), used)) static int x = 1;\n' + NOTHING,)


@test
def auto_traps_static_and_go_programs_which_preload_refuses(broker):
    for program, what in (STATIC, "is statically linked"), (GO, "is a Go program"):
        binary = compiled(broker, *program)
        code, out, _ = run_shim("--check", "--", binary)
        assert code == 0 and out.endswith("backend trap\n"), out
        eq(run_shim("--", binary)[0], 0)
        code, _, err = run_shim("--backend", "preload", "--", binary)
        eq(code, 126)
        assert what in err and "set backend = auto" in err, err
    code, _, err = run_shim("--backend", "trap", "--", "true")
    assert code == 126 and "is linked to libraries" in err and "set backend = auto" in err, err


def refusing(nr, error):
    """For Popen: makes system call `nr` fail from now on."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, nr), (0x06, 0, 0, 0x50000 | error), (0x06, 0, 0, 0x7FFF0000)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
    libc = ctypes.CDLL(None)

    def forbid():
        fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(program)))
        assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, fprog) == 0

    return forbid


@test
def where_nothing_can_be_traced_or_trapped_it_is_said(broker):
    calls = {"x86_64": (101, 317), "aarch64": (117, 277)}  # ptrace, seccomp
    if os.uname().machine not in calls:
        raise Skip("not on this machine")
    binary = compiled(broker, *STATIC)
    ptrace, seccomp = calls[os.uname().machine]

    def run(nr, error, *words):
        return subprocess.run(words, preexec_fn=refusing(nr, error), capture_output=True, text=True)

    for args in ("--check",), ():
        got = run(seccomp, errno.ENOSYS, SHIM, *args, "--", binary)
        assert got.returncode == 126 and "seccomp(2), which fails here (Function not implemented)" in got.stderr, got
        assert "let the container have" in got.stderr, got
        got = run(ptrace, errno.EPERM, SHIM, *args, "--", binary)
        assert got.returncode == 0 and (not args or "loaded as nobody may trace it: Operation not permitted" in got.stdout), got
    if os.geteuid() != 0:
        raise Skip("the rest needs root")
    # Yama is not in every kernel: a file stands in, and another tracer for what it forbids.
    got = run(ptrace, errno.EPERM, "unshare", "-m", "sh", "-c", "mount -t tmpfs none /proc/sys/kernel && mkdir /proc/sys/kernel/yama && "
              'echo 3 >/proc/sys/kernel/yama/ptrace_scope && exec "$@"', "sh", SHIM, "--check", "--", binary)
    assert got.returncode == 0 and "loaded as nobody may trace it: kernel.yama.ptrace_scope = 3\n" in got.stdout, got


@test
def setuid_programs_are_refused(broker):
    if os.getuid() != 0:
        raise Skip("needs root to make a program setuid")
    data = open(os.path.join(APPS, "shim_puppet"), "rb").read()
    path = write_file(broker, "suid", data)
    os.chown(path, 65534, 65534)
    for mode, word in ((0o4755, "is setuid"), (0o2755, "is setgid")):
        os.chmod(path, mode)
        code, _, err = run_shim("--", path)
        eq(code, 126)
        assert word in err, err
    os.chmod(path, 0o755)
    eq(run_shim("--check", "--", path)[0], 0)


@test
def the_status_descriptor_gets_the_reason_or_the_end(broker):
    for command, code, text in ((["/nonexistent"], 127, b"/nonexistent: no such file\n"),
                                (["/bin/true"], 0, b"")):
        r, w = os.pipe()
        proc = subprocess.Popen([SHIM, "--status-fd", str(w), "--", *command], pass_fds=[w],
                                stderr=subprocess.PIPE)
        os.close(w)
        got = b""
        while True:
            more = os.read(r, 4096)
            if not more:
                break
            got += more
        os.close(r)
        eq((proc.wait(TIMEOUT), got, proc.stderr.read()), (code, text, b""))
        proc.stderr.close()


@test
def the_library_is_found_and_checked(broker):
    code, _, err = run_shim("--library", "/nonexistent.so", "--", "/bin/true")
    eq(code, 126)
    assert "install it, or name it with --library" in err, err
    text = write_file(broker, "lib.so", b"text")
    code, _, err = run_shim("--library", text, "--", "/bin/true")
    eq(code, 126)
    assert "is not a shared library" in err, err
    code, out, _ = run_shim("--", "/bin/sh", "-c", "echo $LD_PRELOAD",
                            env=dict(os.environ, LD_PRELOAD="/lib/other.so"))
    eq(code, 0)
    eq(out, os.path.realpath(os.path.join(BUILD, "libworker-shim.so")) + ":/lib/other.so\n")


@test
def a_sanitizers_runtime_goes_first(broker):
    compiler = shutil.which("gcc")
    source = os.path.join(SOURCES, "shim_serve.c")
    binary = os.path.join(broker.dir, "serve")
    if not compiler or subprocess.run(
            [compiler, "-D_GNU_SOURCE", "-fsanitize=address", "-pthread", "-o", binary, source],
            stderr=subprocess.DEVNULL).returncode:
        raise Skip("no compiler with AddressSanitizer")
    broker.start(binary, "threads", "3000")
    channel = broker.welcome(broker.hello())
    client = channel.send(broker)
    assert re.fullmatch(rb"\d+ \d\n", client.makefile("rb").readline())


@test
def usage_errors_exit_2(broker):
    for args in ([], ["--backend", "seccomp", "--", "true"], ["--status-fd", "99", "--", "true"],
                 ["--nonsense"]):
        eq(run_shim(*args)[0], 2)
    eq(run_shim("-h")[0], 0)
    assert run_shim("-V")[1].startswith("worker-shim ")


if __name__ == "__main__":
    sys.exit(main())

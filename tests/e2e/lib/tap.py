"""
The test runner: TAP on standard output, one line a test, everything of a failure as diagnostics.

    @test
    def a_worker_that_crashes_is_replaced(): ...

    main()

A test passes by returning. It has a directory of its own (tmp()), a time limit, and ends only
when nothing that it started is left: no process, no directory. Names, or parts of them, as arguments select tests.
"""

import faulthandler
import os
import shutil
import signal
import sys
import tempfile
import traceback
import uuid

from . import proc

# A shell that starts a command in the background has it ignore Ctrl-C, and what that starts, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LIMIT_SECONDS = 120

_tests = []


class Skip(Exception):
    """This machine has not what the test needs. The reason is shown."""


class TimedOut(BaseException):
    """The watchdog. Not an Exception, so that no test can swallow it by mistake."""


class Context:
    """What belongs to the running test."""

    def __init__(self):
        self.mark = uuid.uuid4().hex
        self.tmp = None
        self.finishers = []  # run after a test that passed: they may still fail it
        self.cleanups = []  # run always
        self.diagnostics = []  # called for their text when a test has failed


_current = None


def current():
    assert _current, "outside of a test"
    return _current


def tmp(*names):
    """A path in the directory of this test, which is removed at its end."""
    context = current()
    if not context.tmp:
        context.tmp = tempfile.mkdtemp(prefix="broker-test-")
        # Workers under another user must be able to reach what is in it.
        os.chmod(context.tmp, 0o755)
    return os.path.join(context.tmp, *names)


def write_file(name, text, mode=0o644):
    path = tmp(name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def at_end(function):
    """Run after the test, whether it passed or not; the last one first."""
    current().cleanups.append(function)


def skip(why):
    raise Skip(why)


def note(text):
    """A diagnostic line, shown by `prove -v`."""
    for line in str(text).splitlines():
        print("# " + line, flush=True)


def complain(text):
    """A diagnostic line that is always shown."""
    sys.stdout.flush()
    for line in str(text).splitlines():
        print("# " + line, file=sys.stderr, flush=True)


def test(function):
    """Registers a test. Its name, with spaces, is the line that it prints."""
    add_test(function.__name__.replace("_", " "), function)
    return function


def add_test(name, function):
    _tests.append((name, function))


def skip_all(why):
    print("1..0 # SKIP " + why, flush=True)
    sys.exit(0)


def _alarm(*_):
    raise TimedOut()


def _terminated(*_):
    sys.exit(128 + signal.SIGTERM)  # by way of every cleanup


def _failure_text(error):
    if isinstance(error, TimedOut):
        head = "not finished after %d s; it was here:" % LIMIT_SECONDS
    else:
        head = "%s: %s" % (type(error).__name__, error)
    frames = [
        "  %s:%d %s: %s" % (os.path.basename(f.filename), f.lineno, f.name, f.line)
        for f in traceback.extract_tb(error.__traceback__)[1:]
    ]
    return "\n".join([head] + frames)


def _show_state(context):
    for describe in context.diagnostics:
        try:
            complain(describe())
        except Exception as error:  # the test's own failure is what matters here
            complain("(no state: %s)" % error)
    for pid in proc.leftovers(context.mark):
        complain(proc.describe(pid))


def _finish(context):
    """The end of a test that has passed so far: it must leave nothing."""
    for finish in reversed(context.finishers):
        finish()
    while context.cleanups:
        context.cleanups.pop()()

    def nothing_left():
        proc.reap_adopted()
        return not proc.leftovers(context.mark)

    proc.wait_until(
        nothing_left,
        5,
        lambda: "end of\n" + "\n".join(map(proc.describe, proc.leftovers(context.mark))),
    )


def _clean(context):
    while context.cleanups:
        try:
            context.cleanups.pop()()
        except Exception as error:
            complain("while cleaning up: %s" % error)
    for pid in proc.kill_all(context.mark):
        complain("cannot be ended: " + proc.describe(pid))
    if context.tmp:
        shutil.rmtree(context.tmp, ignore_errors=True)


def _run(function):
    """Returns (passed, reason of a skip or None)."""
    global _current
    context = _current = Context()
    os.environ[proc.MARK] = context.mark
    signal.setitimer(signal.ITIMER_REAL, LIMIT_SECONDS)
    # Should even the handler not get its turn: leave, and the kernel ends what we started.
    faulthandler.dump_traceback_later(LIMIT_SECONDS + 30, exit=True)
    try:
        try:
            function()
            _finish(context)
            return True, None
        except Skip as why:
            return True, str(why)
        except (Exception, TimedOut) as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            complain(_failure_text(error))
            _show_state(context)
            return False, None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _clean(context)
        faulthandler.cancel_dump_traceback_later()
        _current = None


def main():
    """Runs the tests of this program, or those whose names are given, and exits."""
    # By the line that is printed or the name of the function, or by a part of either.
    wanted = [text.replace("_", " ") for text in sys.argv[1:]]
    tests = [
        (name, function)
        for name, function in _tests
        if not wanted or any(text in name.replace("_", " ") for text in wanted)
    ]
    if not tests:
        print("no such test: %s\nthere are:" % ", ".join(sys.argv[1:]), file=sys.stderr)
        for name, _ in _tests:
            print("  " + name, file=sys.stderr)
        sys.exit(2)

    proc.become_subreaper()
    signal.signal(signal.SIGALRM, _alarm)
    signal.signal(signal.SIGTERM, _terminated)
    failed = 0
    print("1..%d" % len(tests), flush=True)
    for number, (name, function) in enumerate(tests, 1):
        passed, skipped = _run(function)
        failed += not passed
        print(
            "%sok %d - %s%s"
            % ("" if passed else "not ", number, name, " # SKIP " + skipped if skipped else ""),
            flush=True,
        )
    sys.exit(1 if failed else 0)

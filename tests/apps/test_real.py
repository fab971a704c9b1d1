#!/usr/bin/env python3
"""
All real programs of rows/, behind the broker.

    test_real.py [NAME...]      these rows (a part of the name is enough), or all; JOBS of them at once
    test_real.py --alone NAME   this row without the broker, to see whose fault a failure is
    test_real.py --table        the tables of docs/apps.md
    test_real.py --packages apt|npm [--missing]     what tests/apps/install installs

Each row runs in a process of its own (--row NAME), on a machine of its own, see private.py.
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import behind  # noqa: E402
import private  # noqa: E402
from harness import ROOT, add_test, main, proc, skip_all  # noqa: E402
from lib.paths import BUILD  # noqa: E402
from row import versions  # noqa: E402
from rows import GROUPS, ROWS  # noqa: E402

REQUIRED = os.environ.get("BROKER_APPS_REQUIRED") == "1"
JOBS = int(os.environ.get("JOBS", "2"))
DOC = os.path.join(ROOT, "docs", "apps.md")


def table():
    """What docs/apps.md says: the versions that are tested here."""
    installed = versions(ROWS)
    text = ""
    for heading, rows in GROUPS.items():
        text += "### %s\n\n| program | version | what to know |\n|---|---|---|\n" % heading
        for row in rows:
            version = "-" if row.missing(installed) else row.version(installed)
            text += "| %s | %s | %s |\n" % (row.name, version, row.about)
        text += "\n"
    return text


def run_row(name, alone):
    private.private_machine()
    row = next(row for row in ROWS if row.name == name)

    def one():
        row.prepare()
        if alone:
            return behind.check_alone(row)
        behind.check(row)

    add_test(row.name, one)
    del sys.argv[1:]
    main()


def without_updates(text):
    """A machine may have an older or newer update of a version; which one it is, is its first number."""
    return re.sub(r"^(\| [^|]+ \| \d+)[^ |,]*", r"\1", text, flags=re.M)


class Report:
    """TAP: the steps of a row stand together above its line, whichever row ends first."""

    def __init__(self, n):
        self._lock, self._number, self.failed = threading.Lock(), 0, 0
        print("1..%d" % n, flush=True)

    def result(self, name, passed, steps="", skipped=None):
        with self._lock:
            self._number += 1
            self.failed += not passed
            word = "ok" if passed else "not ok"
            tail = " # SKIP " + skipped if skipped else ""
            # prove shows the standard error only.
            loud = sys.stderr if skipped or not passed else sys.stdout
            print(steps, end="", file=loud, flush=True)
            print("%s %d - %s%s" % (word, self._number, name, tail), flush=True)


def run_one(report, row, missing):
    if missing:
        why = "not installed: " + ", ".join(missing)
        return report.result(row.name, not REQUIRED, "# %s: %s\n" % (row.name, why), why)
    got = subprocess.run(
        [sys.executable, "-B", os.path.abspath(__file__), "--row", row.name],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, BROKER_BUILD=BUILD), preexec_fn=proc.die_with_parent,
    )
    lines = got.stdout.decode("utf-8", "replace").splitlines(True)
    skips = [line for line in lines if line.startswith("1..0 # SKIP")]
    if skips:
        return report.result(row.name, True, "# %s: skipped\n" % row.name, skips[0].split("SKIP ")[1].strip())
    inner = [line for line in lines if not line.startswith(("1..", "ok ", "not ok "))]
    report.result(row.name, got.returncode == 0, "# %s\n%s" % (row.name, "".join(inner)))


def named(name):
    """The row of that name, or those with a name that contains it."""
    rows = [row for row in ROWS if row.name == name] or [row for row in ROWS if name.lower() in row.name.lower()]
    if not rows:
        sys.exit("no such row: %s; there are: %s" % (name, ", ".join(row.name for row in ROWS)))
    return rows


def run_all(names):
    if os.geteuid() != 0:
        assert not REQUIRED, "needs root"
        skip_all("needs root: each app gets namespaces of its own")
    rows = [row for name in names for row in named(name)] or ROWS
    installed = versions(ROWS)
    report = Report(len(rows) + (not names))
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for row in rows:
            pool.submit(run_one, report, row, row.missing(installed))
    if not names:
        with open(DOC) as f:
            told = without_updates(table()) in without_updates(f.read())
        report.result(
            "docs/apps.md has these rows, with these versions but for updates", told or not REQUIRED,
            "" if told else "# tests/apps/test_real.py --table prints the present tables\n",
        )
    sys.exit(1 if report.failed else 0)


if sys.argv[1:2] in (["--row"], ["--alone"]):
    run_row(sys.argv[2], sys.argv[1] == "--alone")
elif sys.argv[1:2] == ["--table"]:
    print(table(), end="")
elif sys.argv[1:2] == ["--packages"]:
    packages = {package for row in ROWS for package in getattr(row, sys.argv[2])}
    if "--missing" in sys.argv:
        packages -= set(versions(ROWS))
    print("\n".join(sorted(packages)))
else:
    run_all(sys.argv[1:])

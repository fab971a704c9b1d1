#!/usr/bin/env python3
"""docs/security.md: each sentence names the tests that show it; and what has its test nowhere else."""

import os
import re

from harness import *

PAGE = os.path.join(ROOT, "docs/security.md")
HOW = {"test_": ("tests/e2e/%s.py", r"^def %s\("), "unit ": ("tests/unit/%s.c", r"^TEST\(%s\)")}


def rows():
    """[(sentence, [names of tests])] of the tables that have tests."""
    with open(PAGE) as f:
        tables = re.findall(r"^\| [^|\n]+ \| tests \|\n\|---\|---\|\n((?:\|.*\|\n)+)", f.read(), re.M)
    assert len(tables) > 5, tables
    for line in "".join(tables).splitlines():
        sentence, tests = line.strip("| ").rsplit(" | ", 1)
        yield sentence, re.findall(r"`([^`]+)`", tests)


def exists(name):
    file, test_name = name.split(": ")
    path, expression = next(how for kind, how in HOW.items() if file.startswith(kind))
    with open(os.path.join(ROOT, path % file.replace("unit ", ""))) as f:
        return re.search(expression % re.escape(test_name), f.read(), re.M)


@test
def each_sentence_of_the_page_has_tests_that_exist():
    sentences = list(rows())
    assert len(sentences) > 30, sentences
    for sentence, names in sentences:
        assert names, "no test: " + sentence
        for name in names:
            assert exists(name), "%s: there is no %s" % (sentence, name)


@test
def a_configuration_that_others_can_write_is_refused():
    if os.geteuid() != 0:
        skip("of root only")
    for change in (lambda f: os.chmod(f, 0o666), lambda f: os.chown(f, 65534, -1),
                   lambda f: os.chmod(os.path.dirname(f), 0o777)):
        broker = Broker(app("srv_poll"), workers=1)
        change(broker.file)
        refused = broker.reload_and_wait(want="reload-refused")
        assert broker.file in refused["message"] or broker.dir in refused["message"], refused
        broker.stop()
        got = broker_cli("-c", broker.file)
        assert got.returncode == 2 and refused["error"] in got.stderr, (refused, got)


main()

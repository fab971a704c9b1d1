#!/usr/bin/env python3
"""Prometheus' own tool reads what the broker serves, and the rules that come with it."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import *  # noqa: E402,F401,F403
from lib.metrics import Page  # noqa: E402

if not shutil.which("promtool"):
    assert os.environ.get("BROKER_APPS_REQUIRED") != "1", "not installed: promtool"
    skip_all("no promtool here: prometheus")


def promtool(*arguments, **more):
    got = subprocess.run(["promtool", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    return got.returncode, got.stdout


@test
def the_metrics_are_read_without_an_error():
    broker = Broker(app("srv_poll"), workers=2, broker={"metrics": "127.0.0.1:{port2}"})
    http_get(broker.port)
    code, said = promtool("check", "metrics", input=Page(broker.port2).get("/metrics", "Accept: text/plain\r\n").body)
    assert code == 0, said


@test
def the_alerts_are_good_rules():
    code, said = promtool("check", "rules", os.path.join(ROOT, "docs/examples/alerts.yml"))
    assert code == 0 and "SUCCESS" in said, said


main()

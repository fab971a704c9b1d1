#!/usr/bin/env python3
"""What brokerctl sends, what it makes of the answers, and how it ends."""

import json
import os
import subprocess

from harness import *
from lib.ctl import *
from lib.terminal import Terminal


def progress(phase, done, worker=None, **members):
    return dict({"type": "progress", "service": "web", "generation": 4, "phase": phase,
                 "worker": worker, "done": done, "of": 2, "waits_for": "", "message": ""}, **members)


def run(fake, *arguments, code=0, **options):
    got = ctl("-s", fake.path, *arguments, **options)
    assert got.returncode == code, (got.returncode, got.stdout, got.stderr)
    return got


@test
def status_is_a_table():
    fake = fake_control({
        "status": [broker_line(), service_line(), worker_line(), worker_line("web.1", why="x" * 200)],
        "status web.0": [worker_line()],
    })
    got = run(fake, "status", env={"COLUMNS": "100"})
    assert all(len(line) <= 100 for line in got.stdout.splitlines()), got.stdout
    assert "accepted 10 = taken 10 + waiting 0 + client gone 0 + refused 0\n" in got.stdout
    # Into a pipe nothing is cut or broken.
    assert "x" * 200 in run(fake, "status").stdout
    assert run(fake, "status", "web.0").stdout.splitlines()[0].startswith("  WORKER")


@test
def a_terminal_gets_colours_and_its_own_width():
    fake = fake_control({"status": [broker_line(), service_line(), worker_line()]})
    for env, option, colored in (({}, (), True), ({"NO_COLOR": "1"}, (), False),
                                 ({"TERM": "dumb"}, (), False), ({}, ("--color=never",), False),
                                 ({"NO_COLOR": "1"}, ("--color=always",), True)):
        terminal = Terminal([BROKERCTL, "-s", fake.path, *option, "status"], columns=50, env=env)
        assert terminal.wait_exit() == 0
        terminal.wait_for("web.0")
        assert ("32" in terminal.screen.styles("serving")) == colored, (env, option)
        assert "CPU" not in terminal.screen.text()
    assert "\x1b[" in run(fake, "--color", "always", "status").stdout
    assert "\x1b[" not in run(fake, "status").stdout
    run(fake, "--color=blue", "status", code=2)


@test
def json_is_passed_through():
    lines = [broker_line(), service_line(), dict(worker_line(), new_key=[1, {"a": None}])]
    refusal = error("unknown-worker", "there is no worker web.9")
    fake = fake_control({"status": lines, "status web.9": [refusal], "pins": []})
    for words in (("--json", "status"), ("status", "--json")):
        got = run(fake, *words)
        assert [json.loads(line) for line in got.stdout.splitlines()] == lines + [end()]
    got = run(fake, "status", "web.9", "--json", code=1)
    assert json.loads(got.stdout) == refusal and got.stderr == ""


@test
def what_is_refused_is_said_and_is_the_exit_status():
    fake = fake_control({
        "hold web.9": [error("unknown-worker", "there is no worker web.9; did you mean web.0?")],
        "hold web.8": [error("not-allowed", "evil \x1b[2J\nsecond line")],
        "hold web.7": [error("bad-request", "no")],
        "reload": [error("aborted", "web.1 has ended", output=["Error: no module", "\x1b[31mred"])],
    })
    got = run(fake, "hold", "web.9", code=1)
    assert got.stderr == "brokerctl: there is no worker web.9; did you mean web.0?\n" and not got.stdout
    got = run(fake, "hold", "web.8", code=1)
    assert got.stderr == "brokerctl: evil \\x1b[2J\nsecond line\n", got.stderr
    run(fake, "hold", "web.7", code=2)
    got = run(fake, "reload", code=4)
    assert got.stderr == (
        "brokerctl: web.1 has ended\n  | Error: no module\n  | \\x1b[31mred\n"), got.stderr


@test
def what_has_no_such_form_is_not_sent():
    fake = fake_control({})
    for words, part in (
        (("statsu",), "did you mean status?"),
        (("help", "relaod"), "did you mean reload?"),
        (("hold",), "usage: hold WORKER"),
        (("scale", "web", "many"), "is not a number"),
        (("signal", "web.0", "TREM"), "did you mean TERM?"),
        (("reload", "--no-wiat"), "did you mean --no-wait?"),
        (("pin", "1.2.3.4", "web.0", "--for", "10"), "duration"),
        (("--jsno", "status"), "there is no option --jsno; did you mean --json?"),
        (("--colour=never", "status"), "there is no option --colour=never; did you mean --color?"),
        (("--frobnicate", "status"), "there is no option --frobnicate; see brokerctl --help"),
        (("-s",), "-s needs a value"),
        (("hold", "x" * 5000), "at most"),
        (("hold", "web\n.0"), "control characters"),
        ((), "no command"),
    ):
        got = ctl(*(("-s", fake.path) if words != ("-s",) else ()), *words)
        assert got.returncode == 2 and part in got.stderr and not got.stdout, (words, got)
    assert fake.requests.empty()


@test
def words_arrive_as_they_were_typed():
    fake = fake_control({})
    run(fake, "hold", "web 0 '\"$`|;&<>#", code=2)
    request = fake.request()
    got = subprocess.run(["sh", "-c", "printf '%s,' " + request], stdout=subprocess.PIPE, text=True)
    assert got.stdout == "hold,web 0 '\"$`|;&<>#,", request


@test
def short_answers_are_confirmed_in_words():
    requests = {
        "hold web.0": "web.0 is held: it gets no connections until brokerctl release web.0",
        "release web.0": "web.0 is in the round again",
        "scale web 4": "web is to have 4 workers until the next reload",
        "signal web.0 HUP": "web.0 was sent HUP",
        "pin 10.0.0.0/8 web.0 --for 10m": "connections from 10.0.0.0/8 go to web.0 for 10m",
        "pin 10.0.0.0/8 web.0": "connections from 10.0.0.0/8 go to web.0 until brokerctl unpin 10.0.0.0/8",
        "unpin all": "unpinned: all",
        "next web.0": "the next connection goes to web.0",
        "reload abort": "the reload is aborted: workers not yet replaced stay",
        "pause web": "web drains; new clients wait until brokerctl start web",
        "start web --no-wait": "web starts; brokerctl status shows it",
        "stop web": "web stops as soon as its connections are served",
        "stop --no-wait": "the broker stops as soon as its connections are served",
        "stop --now --no-wait": "the broker stops",
        "pins": "nothing is pinned",
    }
    fake = fake_control({request: [] for request in requests})
    for request, words in requests.items():
        assert run(fake, *request.split()).stdout == words + "\n", request
        assert fake.request() == request
    # What the broker itself has to say goes before.
    fake.answers["hold web.0"] = [end(message="web.0 was held already")]
    assert run(fake, "hold", "web.0").stdout == "web.0 was held already\n"


@test
def pins_and_configuration_are_lists():
    pin = {"type": "pin", "service": "web", "source": "10.0.0.0/8", "worker": "web.1", "kind": "pin",
           "expires_ms": 600000}
    option = {"type": "option", "section": "broker", "key": "log", "value": "stderr",
              "origin": "default", "file": None}
    fake = fake_control({
        "pins": [pin, dict(pin, source=None, kind="next", expires_ms=None)],
        "config": [{"type": "file-error", "message": "broker.ini:1: no"}, option],
    })
    assert run(fake, "pins").stdout == (
        "pin 10.0.0.0/8 to web.1, for 10m00s more\nthe next connection to web.1\n")
    got = run(fake, "config")
    assert got.stdout.startswith("[broker]\nlog  ") and "broker.ini:1: no" in got.stderr, got


@test
def a_reload_tells_its_steps_and_ends_when_it_is_done():
    steps = [progress("begin", 0), progress("wait", 0), progress("start", 0, "web.0"), progress("ready", 1, "web.0"),
             progress("retire", 1, "web.0"), progress("done", 2)]
    fake = fake_control({"reload": steps, "restart web.0": steps[2:4], "reload web --no-wait": [],
                         "rollback": []})
    assert run(fake, "reload").stdout == (
        "web: generation 4 begins, workers to replace: 2\n"
        "web: web.0 of generation 4 starts\n"
        "web: web.0 of generation 4 is ready (1 of 2)\n"
        "web: the old web.0 drains\n"
        "web: generation 4 serves\n")
    assert "is ready" in run(fake, "restart", "web.0").stdout
    assert run(fake, "reload", "web", "--no-wait").stdout == (
        "the reload has begun; brokerctl status shows it\n")
    assert "rollback has begun" in run(fake, "rollback").stdout


@test
def a_plan_changes_nothing_and_says_so():
    change = {"type": "change", "section": "service:web", "key": "workers", "from": "2", "to": "4",
              "applies": "at once", "action": "two workers are started"}
    fake = fake_control({"reload --plan": [change]})
    assert run(fake, "reload", "--plan").stdout == (
        "[service:web] workers: 2 -> 4\n    at once: two workers are started\n")
    fake.answers["reload --plan"] = []
    assert "no setting changes" in run(fake, "reload", "--plan").stdout


@test
def on_a_terminal_a_reload_is_a_bar():
    fake = fake_control({"reload": lambda session: session.send(
        progress("begin", 0), progress("start", 0, "web.0", waits_for="web.0 to listen"))})
    terminal = Terminal([BROKERCTL, "-s", fake.path, "reload"], columns=70, rows=5)
    session = fake.session()
    terminal.wait_for("web generation 4  [>.]  0/2")
    terminal.wait_for("waits for web.0 to listen")
    # It goes on counting while nothing comes.
    terminal.wait_for("  1s  waits for")
    session.send(progress("ready", 1, "web.0"))
    terminal.wait_for("[#>]  1/2")
    assert len([line for line in terminal.screen.lines() if line]) == 1
    session.send(progress("done", 2), end())
    assert terminal.wait_exit() == 0
    terminal.wait_for(lambda screen: [l for l in screen.lines() if l] == ["web: generation 4 serves"])


@test
def ctrl_c_leaves_the_reload_alone():
    for command, abort in (("reload", True), ("restart web.0", False)):
        fake = fake_control({command: lambda s: s.send(progress("begin", 0))}, command.split()[0])
        terminal = Terminal([BROKERCTL, "-s", fake.path, *command.split()], columns=120)
        terminal.wait_for("web generation 4")
        terminal.type("\x03")
        assert terminal.wait_exit() == 130
        terminal.wait_for("continues in the broker")
        assert ("reload abort" in terminal.screen.text()) == abort
        assert fake.request() == command and fake.requests.empty()


@test
def a_broker_that_ends_during_a_reload():
    fake = fake_control({"reload": lambda s: (s.send(progress("begin", 0)), s.close())})
    assert "has ended" in run(fake, "reload", code=3).stderr


@test
def events_come_as_they_happen_until_the_broker_ends():
    event = {"type": "event", "id": 17, "time": "2026-11-22T15:37:44.123Z", "level": "info",
             "event": "worker-ready", "service": "web", "worker": "web.0", "message": "listens"}
    line = "2026-11-22 15:37:44.123 info  web.0 worker-ready: listens\n"
    fake = fake_control({
        "events": [event, event],
        "events web -f --since 10m": lambda session: session.send(event),
    })
    assert run(fake, "events").stdout == line * 2
    assert fake.request() == "events"
    fake.session()
    process = start_ctl("-s", fake.path, "events", "web", "-f", "--since", "10m")
    session = fake.session()
    assert process.stdout.readline() == line
    session.send({"type": "lost", "count": 3}, {"type": "from-the-future"}, event)
    assert process.stdout.readline().startswith("3 events were lost")
    assert process.stdout.readline() == line
    fake.stop()
    rest, said = process.communicate(timeout=20)
    assert process.returncode == 3 and rest == "" and "the broker has ended" in said, said


@test
def output_that_cannot_be_written_is_a_failure():
    if not os.path.exists("/dev/full"):
        skip("no /dev/full")
    fake = fake_control({"status": [broker_line()]})
    with open("/dev/full", "w") as full:
        got = subprocess.run([BROKERCTL, "-s", fake.path, "status"], stdout=full,
                             stderr=subprocess.PIPE, text=True, timeout=30)
    said = "brokerctl: cannot write: No space left on device\n"
    assert (got.returncode, got.stderr) == (1, said), got


@test
def events_that_cannot_be_written_end_what_follows_them():
    if not os.path.exists("/dev/full"):
        skip("no /dev/full")
    event = {"type": "event", "id": 17, "time": "2026-11-22T15:37:44.123Z", "level": "info",
             "event": "worker-ready", "service": "web", "worker": "web.0", "message": "listens"}
    fake = fake_control({"events -f": lambda session: session.send(event)})
    for more in ((), ("--json",)):
        with open("/dev/full", "w") as full:
            got = subprocess.run([BROKERCTL, "-s", fake.path, "events", "-f", *more], stdout=full,
                                 stderr=subprocess.PIPE, text=True, timeout=15)
        said = "brokerctl: cannot write: No space left on device\n"
        assert (got.returncode, got.stderr) == (1, said), got


@test
def help_and_version_need_no_broker():
    got = ctl("help")
    assert got.returncode == 0 and "reload abort" in got.stdout and "join" not in got.stdout
    assert ctl("--help").stdout == got.stdout == ctl("-h").stdout
    reload = ctl("help", "reload")
    assert "--no-wait" in reload.stdout and "usage: brokerctl reload abort" in reload.stdout
    abort = ctl("help", "reload", "abort")
    assert abort.stdout.startswith("usage: brokerctl reload abort") and not abort.stderr, abort
    assert "--since" in ctl("events", "--help").stdout
    assert ctl("--version").stdout.startswith("brokerctl ")


@test
def doctor_needs_no_broker_either():
    good = ctl("doctor", *app("srv_poll")[:1], "3000")
    assert ctl("doctor", *app("srv_poll")[:1], "--", "3000").stdout == good.stdout
    # What follows the first argument is the program's, whatever it looks like.
    assert "3000 --json --help" in ctl("doctor", *app("srv_poll")[:1], "3000", "--json", "--help").stdout
    assert good.returncode == 0 and good.stdout and not good.stderr, good
    assert json.loads(ctl("doctor", "--json", *app("srv_poll")[:1]).stdout)
    bad = ctl("doctor", tmp("no-such-program"))
    assert bad.returncode == 1, bad


main()

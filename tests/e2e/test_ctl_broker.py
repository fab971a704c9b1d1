#!/usr/bin/env python3
"""brokerctl and the broker itself: what they say to each other fits."""

import os
import re
import shutil
import subprocess

from harness import *
from lib import proc
from lib.ctl import *
from lib.terminal import Terminal


def run(broker, *arguments, code=0, **options):
    got = ctl("-c", broker.file, *arguments, **options)
    assert got.returncode == code, (arguments, got)
    return got


def workers(broker):
    """{name: its row of the table, as words}, of the newest generation."""
    rows = [line.split() for line in run(broker, "status").stdout.splitlines()]
    rows = [row for row in rows if row and re.match(r"web\.\d+$", row[0])]
    return {row[0]: row for row in sorted(rows, key=lambda row: int(row[2]))}


@test
def the_table_says_what_happened():
    broker = Broker(app("srv_poll"), workers=2)
    for _ in range(4):
        http_get(broker.port)
    text = run(broker, "status").stdout
    assert "accepted 4 = taken 4 + waiting 0 + client gone 0 + refused 0\n" in text, text
    assert "web  serving  2/2 ready  generation 1  round-robin\n" in text, text
    rows = workers(broker)
    assert [row[3] for row in rows.values()] == ["ready", "ready"], rows
    assert [row[5] for row in rows.values()] == ["2", "2"], rows
    assert proc.alive(int(rows["web.0"][1]))
    assert run(broker, "status", "web").stdout in text
    assert run(broker, "--json", "status").stdout.startswith('{"type":"broker","schema":1,')


@test
def names_that_are_not_there_are_guessed():
    broker = Broker(app("srv_poll"), workers=2)
    assert "did you mean web?" in run(broker, "status", "wbe", code=1).stderr
    assert "did you mean web.1?" in run(broker, "hold", "wbe.1", code=1).stderr


@test
def a_worker_is_held_and_released():
    broker = Broker(app("srv_poll"), workers=2)
    run(broker, "hold", "web.0")
    assert workers(broker)["web.0"][3] == "held"
    run(broker, "pin", "127.0.0.1", "web.0", "--for", "10m")
    assert "pin 127.0.0.1 to web.0, for" in run(broker, "pins").stdout
    assert "pin 127.0.0.1 to web.0, for" in run(broker, "status").stdout
    http_get(broker.port)
    assert workers(broker)["web.0"][5] == "1"
    run(broker, "unpin", "all")
    run(broker, "release", "web.0")
    assert workers(broker)["web.0"][3] == "ready"


@test
def a_service_that_is_new_is_waited_for():
    text = "[service:web]\ncommand = {apps}/srv_poll {port}\nworkers = 1\n"
    broker = Broker(text=text)
    broker.configure(text=text + "[service:new]\ncommand = {apps}/srv_poll {port2}\nworkers = 1\n")
    said = [s for s in run(broker, "reload").stdout.splitlines() if s.startswith("new: ")]
    assert said == [
        "new: the service is new: 1 worker starts",
        "new: new.0 of generation 1 is ready (1 of 1)",
        "new: generation 1 serves",
    ], said
    broker.configure(text=text + "[service:bad]\ncommand = false\nworkers = 1\n")
    got = run(broker, "reload", code=4)
    assert "the new service bad does not start: exit 1" in got.stderr, got


@test
def a_reload_is_planned_and_waited_for():
    broker = Broker(app("srv_poll"), workers=2)
    broker.configure(app("srv_poll"), workers=3)
    plan = run(broker, "reload", "--plan").stdout
    assert "[service:web] workers: 2 -> 3\n" in plan, plan
    assert len(workers(broker)) == 2
    assert "; in the file: 3\n" in run(broker, "config").stdout
    said = run(broker, "reload").stdout.splitlines()
    assert said[0].startswith("web: generation 2 begins") and said[-1] == "web: generation 2 serves", said
    rows = workers(broker)
    assert len(rows) == 3 and {row[2] for row in rows.values()} == {"2"}, rows
    run(broker, "scale", "web", "1")
    wait_until(lambda: len([r for r in workers(broker).values() if r[3] == "ready"]) == 1, 20, "one worker")
    run(broker, "restart", "web.0")
    text = run(broker, "events").stdout
    assert " web.0 worker-ready: " in text, text


@test
def a_reload_that_fails_says_why():
    broker = Broker(app("srv_poll"), workers=2)
    broker.configure(["sh", "-c", "echo last words; exit 3"], workers=2)
    got = run(broker, "reload", code=4)
    assert "  | last words\n" in got.stderr, got
    broker.write_file("[service:web]\ncommand = x\nworker = 3\n")
    got = ctl("-s", broker.run_dir + "/control", "reload")
    assert got.returncode == 1 and "did you mean" in got.stderr, got
    broker.configure(app("srv_poll"), workers=2)


@test
def top_shows_a_reload():
    broker = Broker(app("srv_poll"), workers=2)
    terminal = Terminal([BROKERCTL, "-c", broker.file, "top"], columns=100)
    terminal.wait_for("web  serving  2/2 ready  generation 1")
    run(broker, "reload")
    terminal.wait_for("web  serving  2/2 ready  generation 2")
    terminal.type("q")
    assert terminal.wait_exit() == 0


@test
def completion_finds_the_names():
    broker = Broker(text="[service:web]\ncommand = {apps}/srv_poll {port}\n"
                         "[service:api]\ncommand = {apps}/srv_poll {port2}\nworkers = 1\n")
    script = write_file("completion", ctl("completion", "bash").stdout)
    got = subprocess.run(
        ["bash", "--norc", "-c", 'source "$1"; COMP_WORDS=(brokerctl -c "$2" status ""); COMP_CWORD=4; '
         "_brokerctl; printf '%s\\n' \"${COMPREPLY[@]}\"", "bash", script, broker.file],
        env=environment({"PATH": os.path.dirname(BROKERCTL) + ":" + os.environ["PATH"]}),
        stdout=subprocess.PIPE, text=True, timeout=30)
    assert sorted(got.stdout.split()) == ["api", "api.0", "web", "web.0", "web.1"], got


@test
def gdb_attaches_while_the_other_serves():
    if not shutil.which("gdb"):
        skip("no gdb here")
    broker = Broker(app("srv_poll"), workers=2)
    pid = workers(broker)["web.1"][1]
    terminal = Terminal([BROKERCTL, "-c", broker.file, "debug", "web.1", "--", "gdb", "-q", "-nx"],
                        columns=150, rows=60, env={"TERM": "dumb", "DEBUGINFOD_URLS": ""})
    terminal.wait_for("web.1 (pid %s) is held" % pid)
    terminal.wait_for(lambda screen: [l for l in screen.lines() if l][-1:] == ["(gdb)"], 60)
    before = int(workers(broker)["web.0"][5])
    for _ in range(4):
        http_get(broker.port)
    rows = workers(broker)
    assert rows["web.1"][3] == "held" and "gdb" in " ".join(rows["web.1"]), rows
    assert int(rows["web.0"][5]) == before + 4, rows
    terminal.type("detach\nquit\n")
    assert terminal.wait_exit(60) == 0
    wait_until(lambda: workers(broker)["web.1"][3] == "ready", 20, "web.1 in the round")


@test
def the_broker_is_told_to_stop():
    broker = Broker(app("srv_poll"), workers=2)
    terminal = Terminal([BROKERCTL, "-c", broker.file, "events", "-f", "--since", "1h"], columns=200)
    terminal.wait_for("broker-ready")
    run(broker, "hold", "web.0")
    terminal.wait_for("worker-held")
    assert run(broker, "stop", "--now").stdout.endswith("the broker has ended\n")
    assert not proc.alive(broker.pid)
    assert broker.wait_exit() == 0
    assert terminal.wait_exit() == 3
    terminal.wait_for("the broker has ended")


@test
def a_stop_is_waited_for_unless_that_is_interrupted():
    broker = Broker(app("srv_poll"), workers=1)
    sock = connect(broker.port)
    send_request(sock, close=False)
    pid = read_answer(sock).pid
    terminal = Terminal([BROKERCTL, "-c", broker.file, "stop"], columns=200)
    terminal.wait_for("workers left: 1")
    terminal.type("\x03")
    assert terminal.wait_exit() == 130
    terminal.wait_for("the stop continues in the broker")
    assert proc.alive(broker.pid) and proc.alive(pid)
    # Asked again, it kills; a broker that is gone is no answer at all.
    assert "it now kills all workers" in run(broker, "stop", code=5).stderr
    assert not proc.alive(broker.pid) and not proc.alive(pid)
    sock.close()
    assert "no broker" in run(broker, "stop", code=3).stderr


main()

#!/usr/bin/env python3
"""brokerctl top in a terminal: what is on the screen, keys, sizes, and what it leaves behind."""

import signal

from harness import *
from lib.ctl import *
from lib.terminal import Terminal


class Counting:
    """Answers `status` with what .lines says; each answer counts 100 connections more."""

    def __init__(self, *lines):
        self.lines, self.n = lines, 0

    def __call__(self, session):
        self.n += 1
        own = [service_line(accepted=100 * self.n), worker_line(given=100 * self.n),
               worker_line("web.1", state="held", why="by hand")]
        session.send(broker_line(), *(self.lines or own), end())


def top(fake, *arguments, **options):
    return Terminal([BROKERCTL, "-s", fake.path, "top", *arguments], frames=True, **options)


def gone(terminal, code):
    """It has ended as it should, and the terminal is as it was."""
    assert terminal.wait_exit() == code, terminal.process.returncode
    screen = terminal.screen
    assert terminal.restored()
    assert not screen.alternate and screen.cursor_shown and screen.wraps
    assert "WORKER" not in screen.text()


@test
def the_screen_shows_the_answer_and_its_rates():
    fake = fake_control({"status": Counting()})
    terminal = top(fake, columns=100, rows=12)
    terminal.wait_for("q quits  s sorts (by trouble)")
    assert terminal.screen.alternate and not terminal.screen.cursor_shown
    # Two answers later there is something to compare with.
    terminal.wait_for("||||||||||")
    lines = terminal.screen.lines()
    assert lines[0] == "broker 0.1.0  running  pid 4711  up 1m00s  /etc/broker.ini", lines
    assert lines[1].startswith("web  serving  2/2 ready  generation 3  round-robin  "), lines
    rate = float(lines[1].split()[-2])
    assert 50 < rate < 150, lines
    accepted = fake.answers["status"].n * 100
    assert lines[2] == "  accepted %d = taken %d + waiting 0 + client gone 0 + refused 0" % (
        accepted, accepted), lines
    assert lines[3] == (
        "WORKER  PID  GEN  STATE    FOR  GIVEN/S  RATE        WAITING  OPEN  MEMORY  CPU%  WHY"), lines
    assert lines[4].startswith("web.1   813    3  held   1m31s        0") and (
        lines[4].endswith("by hand")), lines
    assert terminal.screen.styles("held") == ["33"] and terminal.screen.styles("ready  ") == ["", "32"]
    assert lines[6:11] == [""] * 5
    terminal.type("q")
    gone(terminal, 0)


@test
def one_service_alone():
    fake = fake_control({"status web": Counting()})
    terminal = top(fake, "web")
    terminal.wait_for("web.0")
    assert fake.request() == "status web"
    terminal.type("q")
    gone(terminal, 0)


@test
def a_service_that_is_not_there():
    fake = fake_control({"status webb": [error("unknown-service", "there is no service webb")]})
    terminal = top(fake, "webb")
    gone(terminal, 1)
    assert "there is no service webb" in terminal.screen.text()


@test
def it_fits_every_size_and_follows_a_new_one():
    fake = fake_control({"status": Counting()})
    terminal = top(fake, columns=80, rows=24)
    for columns, rows in ((80, 24), (40, 8), (20, 5), (132, 40), (10, 3), (5, 1), (80, 24)):
        terminal.resize(columns, rows)
        # Screen refuses what is wider, so all that is left is the last line.
        terminal.wait_for(lambda screen: screen.lines()[-1].startswith("q"))
    terminal.type("q")
    gone(terminal, 0)


@test
def keys_sort():
    fake = fake_control({"status": Counting()})
    terminal = top(fake)
    for name in ("trouble", "slot", "rate", "CPU", "open connections", "trouble"):
        terminal.wait_for("(by %s)" % name)
        terminal.type("xs")
    terminal.type("Q")
    gone(terminal, 0)


@test
def twelve_services_on_a_small_screen():
    lines = [broker_line()]
    for i in range(1, 13):
        down = i == 12
        lines += [service_line("svc%d" % i, state="down" if down else "serving", ready=0 if down else 2)]
        lines += [worker_line("svc%d.%d" % (i, slot), service="svc%d" % i,
                              state="back-off" if down else "ready",
                              why="back-off 4 s after exit 1, 3rd time: no such table" if down else "")
                  for slot in range(64 if i == 1 else 2)]
    fake = fake_control({"status": Counting(*lines)})
    terminal = top(fake, columns=80, rows=24)
    terminal.wait_for("svc12.0@3: back-off 4 s after exit 1, 3rd time: no such table")
    text = terminal.screen.text()
    assert text.index("svc12  down  0/2 ready") < text.index("svc1  serving"), text
    assert "more services, all well" in text and "svc12.1" in text, text
    for keys, seen in (("\x1b[6~", "(12 above)"), ("j", "(13 above)"), ("\x1b[A", "(12 above)"),
                       ("\x1b[C", "(12 above)"), ("k", "(11 above)"), ("\x1b[5~", "(0 above)")):
        assert seen not in terminal.screen.text() or keys == "\x1b[C"
        terminal.type(keys)
        terminal.wait_for(lambda screen: seen in screen.text())
    terminal.type("/")
    terminal.wait_for("/_")
    terminal.type("svc9q")
    terminal.wait_for("/svc9q_")
    terminal.type("\x7f\r")
    terminal.wait_for("only /svc9 (Esc: all)")
    assert "svc9.1" in terminal.screen.text() and "svc12" not in terminal.screen.text()
    terminal.type("\x1b")
    terminal.wait_for("svc12  down")
    terminal.type("q")
    gone(terminal, 0)


@test
def status_folds_what_is_well():
    lines = [broker_line()]
    for i in range(1, 13):
        lines += [service_line("svc%d" % i, **({"state": "down", "ready": 0} if i == 12 else {})),
                  worker_line("svc%d.0" % i, service="svc%d" % i)]
    fake = fake_control({"status": [*lines, end()]})
    terminal = Terminal([BROKERCTL, "-s", fake.path, "status"], columns=80, rows=16)
    assert terminal.wait_exit() == 0
    text = terminal.screen.text()
    assert "svc12  down" in text and "11 more services, all well" in text, text
    whole = ctl("-s", fake.path, "status").stdout
    assert whole.index("svc12  down") < whole.index("svc1  serving"), whole
    assert whole.count("accepted") > 11 and "more" not in whole, whole


@test
def a_signal_gives_the_terminal_back():
    fake = fake_control({"status": Counting()})
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        terminal = top(fake)
        terminal.wait_for("web.0")
        send_signal(terminal.pid, sig)
        gone(terminal, 0)
    terminal = top(fake)
    terminal.wait_for("web.0")
    terminal.type("\x03")
    gone(terminal, 0)


@test
def a_broker_that_ends_is_waited_for():
    fake = fake_control({"status": Counting()})
    terminal = top(fake)
    terminal.wait_for("||||||||||")
    fake.stop()
    terminal.wait_for("the broker has ended; waiting for it to come back")
    # What was known is still there to be read, but not how fast it changes.
    assert "web.0" in terminal.screen.text() and "  - accepted/s" in terminal.screen.text()
    # Its counts are higher by chance: they are not those of the broker before.
    again = fake_control({"status": Counting(broker_line(), service_line(accepted=10**6),
                                             worker_line("web.7"))})
    terminal.wait_for("web.7")
    assert "  - accepted/s" in terminal.screen.text()
    terminal.wait_for("q quits")
    assert "has ended" not in terminal.screen.text()
    terminal.wait_for(lambda screen: "0 accepted/s" in screen.text())
    again.stop()
    terminal.wait_for("waiting for it to come back")
    terminal.type("q")
    gone(terminal, 0)


@test
def a_reload_moves_through_the_slots():
    reload = {"generation": 4, "done": 0, "of": 2, "ms": 100, "waits_for": "web.0 to listen"}
    answer = Counting(service_line(reload=reload), worker_line(), worker_line("web.1"),
                      worker_line(pid=900, generation=4, state="starting"))
    fake = fake_control({"status": answer})
    terminal = top(fake)
    terminal.wait_for("[>.]  reload to generation 4: 0 of 2")
    terminal.wait_for("starting  1m31s")
    assert terminal.screen.styles("starting") == ["36"]
    answer.lines = (service_line(reload=dict(reload, done=1)), worker_line(state="draining"),
                    worker_line("web.1"), worker_line(pid=900, generation=4))
    terminal.wait_for("[#.]  reload to generation 4: 1 of 2")
    answer.lines = (service_line(generation=4), worker_line(pid=900, generation=4))
    terminal.wait_for("generation 4  round-robin")
    assert "reload" not in terminal.screen.text()
    terminal.type("q")
    gone(terminal, 0)


@test
def without_colour_it_says_the_same():
    fake = fake_control({"status": Counting()})
    for terminal in (top(fake, env={"NO_COLOR": "1"}),
                     Terminal([BROKERCTL, "--color=never", "-s", fake.path, "top"], frames=True)):
        terminal.wait_for("web.0")
        assert all(style == "" for row in terminal.screen.cells for _, style in row)
        terminal.type("q")
        gone(terminal, 0)


@test
def without_a_terminal_it_refuses():
    fake = fake_control({"status": Counting()})
    got = ctl("-s", fake.path, "top")
    assert got.returncode == 2 and "needs a terminal" in got.stderr, got
    terminal = top(fake, env={"TERM": "dumb"})
    assert terminal.wait_exit() == 2
    terminal.wait_for("needs a terminal")


@test
def no_broker_is_said_without_a_screen():
    terminal = Terminal([BROKERCTL, "-s", tmp("none"), "top"])
    gone(terminal, 3)
    terminal.wait_for("no broker is running")


main()

"""What the broker is doing when a system call fails."""

import contextlib
import signal
import time

from lib import proc
from lib.broker import Broker
from lib.clients import connect, http_get, read_answer, send_request
from lib.control import Control, Refused, ask
from lib.paths import app

WORKERS = {"web": 2, "calm": 1}
PATIENCE = 20  # seconds for whatever has to come
IMPATIENCE = 0.3  # ... for what need not, as the fault lasts
CONFIG = """
[broker]
metrics = 127.0.0.1:{port3}
[defaults]
stop_timeout = 2s
drain_timeout = 2s
start_timeout = 5s
backoff_max = 100ms
[service:web]
command = %(app)s
workers = 2
[service:calm]
command = %(calm)s
workers = 1
""" % {"app": " ".join(app("srv_poll", "{port}")), "calm": " ".join(app("srv_poll", "{port2}"))}


def start(**options):
    return Broker(text=CONFIG, **options)


class Clients:
    """How many got no answer, or another, while something failed."""

    def __init__(self, patience=PATIENCE):
        self.lost, self.patience = 0, patience

    @contextlib.contextmanager
    def one(self):
        """It may be turned away, but must not be left to wait."""
        try:
            yield
        except TimeoutError:
            raise AssertionError("a client waits for %g s" % self.patience) from None
        except Refused:
            pass  # an answer, too
        except (OSError, AssertionError):
            self.lost += 1

    def get(self, port, path="/"):
        with self.one():
            answers(port, path, self.patience)

    def ask(self, broker, *lines):
        for line in lines:
            with self.one(), Control(broker, self.patience) as control:
                control.ask(line)


def answers(port, path="/", patience=PATIENCE):
    got = http_get(port, path, timeout=patience)
    assert got.status == 200 and (path != "/" or got.pid), got.body


def serve(broker, clients):
    """Connections one after the other, and at the same time."""
    with contextlib.ExitStack() as open_ones:
        for _ in range(3):
            clients.get(broker.port)
        many = []
        for port in [broker.port] * 6 + [broker.port2]:
            with clients.one():
                many.append(open_ones.enter_context(connect(port, timeout=clients.patience)))
        for sock in many:
            with clients.one():
                send_request(sock)
        for sock in many:
            with clients.one():
                read_answer(sock)
        clients.get(broker.port2)


def wait_said(broker, clients, words, since, **fields):
    """An event. A line that could not be written comes with the next one: SIGUSR1 makes one."""
    end = time.monotonic() + clients.patience
    while True:
        try:
            return broker.log.wait(words, since, min(clients.patience, 2), **fields)
        except AssertionError:
            if time.monotonic() >= end:
                raise
            broker.signal(signal.SIGUSR1)


def reload(broker, clients):
    mark = broker.log.mark()
    broker.hup()
    clients.get(broker.port)
    ends = ["reload-done", "reload-aborted"]
    if wait_said(broker, clients, ends + ["reload-refused"], mark)["event"] != "reload-refused":
        for service in WORKERS:
            wait_said(broker, clients, ends, mark, service=service)


def crash(broker, clients):
    """A worker is killed, and another one comes."""
    broker.log.wait(["broker-ready"])
    mark = broker.log.mark()
    victim = broker.log.find(["worker-ready"], 0, {"service": "web"})[-1]
    proc.send_signal(victim["pid"], signal.SIGKILL)
    wait_said(broker, clients, ["worker-ready"], mark, service="web")
    clients.get(broker.port)


def control(broker, clients):
    clients.ask(broker, "status", "pin 10.0.0.0/8 web.1", "pins", "unpin all")
    clients.ask(broker, "config", "events", "reload --plan")


def scale(broker, clients):
    """A worker more, and one less."""
    clients.ask(broker, "scale web 3", "scale web 2")
    clients.get(broker.port)


def spawn(broker, clients):
    """A worker more, which may not come up, and one less."""
    mark = broker.log.mark()
    clients.ask(broker, "scale web 3")
    wait_said(broker, clients, ["worker-ready", "worker-failed"], mark, service="web")
    clients.ask(broker, "scale web 2")


def metrics(broker, clients):
    for path in ("/metrics", "/readyz", "/healthz"):
        clients.get(broker.port3, path)


def drain(broker, clients):
    """A reload while clients keep their connections: who has which is looked up in the kernel."""
    with contextlib.ExitStack() as open_ones:
        for port in (broker.port, broker.port, broker.port2):
            with clients.one():
                sock = open_ones.enter_context(connect(port, timeout=clients.patience))
                send_request(sock, close=False)
                read_answer(sock)
        reload(broker, clients)


def undo(broker):
    """What a client asked for when its connection failed may not have come to the broker."""
    with contextlib.suppress(OSError, AssertionError, Refused):
        for service, n in WORKERS.items():
            ask(broker, "scale %s %d" % (service, n))
        ask(broker, "unpin all")


SCENES = {scene.__name__: scene for scene in (
    serve, reload, crash, control, scale, spawn, metrics, drain)}

"""Asking a service of a broker under test, and seeing who serves it."""

from . import control
from .clients import connect, http_get, read_answer, send_request
from .proc import wait_until


def ask(broker, text):
    return control.ask(broker, text)


def told(broker, text):
    """What the end of an answer says in words, or None."""
    with control.Control(broker) as c:
        c.send(text)
        end = c.answer()[-1]
    assert end["type"] == "end", end
    return end.get("message")


def refusal(broker, text, code="refused"):
    answer = control.refusal(broker, text)
    assert answer["code"] == code, answer
    return answer["message"]


def service(broker, name="web"):
    return next(o for o in ask(broker, "status " + name) if o["type"] == "service")


def workers(broker, name="web"):
    return [o for o in ask(broker, "status " + name) if o["type"] == "worker"]


def who_answers(port, n=8):
    return {http_get(port).pid for _ in range(n)}


def answered_by(port, pids):
    return wait_until(lambda: who_answers(port) == pids, 30, lambda: "answers of %s" % pids)


def hold(port):
    """A connection that is open and idle, and the worker that has it."""
    sock = connect(port)
    send_request(sock, close=False)
    return sock, read_answer(sock).pid


def ready_workers(broker):
    """{name: pid} of the workers that a broker began with; its log may be behind --ready-fd."""
    broker.wait_event("broker-ready")
    return {e["worker"]: e["pid"] for e in broker.events("worker-ready")}

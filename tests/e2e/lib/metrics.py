"""Asking a broker for its metrics and probes."""

import socket

from . import openmetrics
from .clients import read_answer


class Page:
    """The HTTP server of a broker, at a port or at the path of a Unix socket."""

    def __init__(self, where):
        self.where = where

    def connect(self, timeout=20):
        if isinstance(self.where, str):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(timeout)
            sock.connect(self.where)
            return sock
        return socket.create_connection(("127.0.0.1", self.where), timeout)

    def ask(self, request):
        """Sends these bytes and reads one answer; nothing may come behind it."""
        with self.connect() as sock:
            sock.sendall(request)
            answer = read_answer(sock)
            assert sock.recv(1) == b"", "more than one answer"
            return answer

    def get(self, path, headers=""):
        request = "GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n" % (path, headers)
        return self.ask(request.encode())

    def scrape(self):
        answer = self.get("/metrics")
        assert answer.status == 200, answer.status
        assert answer.headers["content-type"] == (
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        ), answer.headers
        metrics = openmetrics.parse(answer.body)
        for service in metrics.samples("broker_service_serving"):
            check_ledger(metrics, service.labels["service"])
        return metrics


def check_ledger(metrics, service):
    """Every connection that was accepted is in one place, in every single scrape."""
    def of(name):
        return metrics.sum("broker_connections_" + name, service=service)

    accepted = of("accepted_total") + of("moved_total")
    places = [of(n) for n in ("taken_total", "waiting", "client_gone_total", "refused_total")]
    assert accepted == sum(places), "accepted and moved %d, taken, waiting, gone, refused %s" % (accepted, places)


def counters(metrics):
    """{series: value} of all that must never shrink."""
    return {
        sample.key(): sample.value
        for family in metrics.families.values()
        for sample in family.samples
        if family.type == "counter" or (family.type == "histogram" and not sample.name.endswith("_sum"))
    }


def check_grown(before, after):
    """No counter of `before` has shrunk or gone."""
    old, new = counters(before), counters(after)
    for key, value in old.items():
        assert key in new, "%s is gone" % (key,)
        assert new[key] >= value, "%s was %s and is %s" % (key, value, new[key])


def agent(port):
    """The whole line that HAProxy is told."""
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        parts = list(iter(lambda: sock.recv(100), b""))
    return b"".join(parts).decode()

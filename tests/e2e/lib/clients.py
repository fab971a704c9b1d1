"""Single clients, well behaved and not. Load in numbers is load.py."""

import re
import socket
import struct


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        found = re.match(r"pid=(\d+) id=(\S+)", body)
        self.pid = int(found.group(1)) if found else None
        self.id = found.group(2) if found else None


def connect(port, address="127.0.0.1", timeout=30):
    """A connected socket, to hold for as long as the test likes."""
    return socket.create_connection((address, port), timeout=timeout)


def send_request(sock, path="/", close=True):
    sock.sendall(
        (
            "GET %s HTTP/1.1\r\nHost: test\r\nConnection: %s\r\n\r\n"
            % (path, "close" if close else "keep-alive")
        ).encode()
    )


def read_answer(sock):
    """Reads exactly one answer. Raises AssertionError if the connection ends before."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(sock, data)
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
    if "content-length" in headers:
        while len(body) < int(headers["content-length"]):
            body += _some(sock, data)
    else:
        for part in iter(lambda: sock.recv(65536), b""):
            body += part
    return Answer(int(lines[0].split()[1]), headers, body.decode("utf-8", "replace"))


def _some(sock, so_far):
    part = sock.recv(65536)
    assert part, "the connection ended after %r" % so_far[-200:]
    return part


def http_get(port, path="/", address="127.0.0.1", timeout=30):
    """One request on a connection of its own."""
    with connect(port, address, timeout) as sock:
        send_request(sock, path)
        return read_answer(sock)


def reset(sock):
    """Ends a connection with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def half_close(sock):
    """Says that nothing more will be sent; the answer can still come."""
    sock.shutdown(socket.SHUT_WR)


def refused(port, address="127.0.0.1"):
    """Whether nobody listens there."""
    try:
        connect(port, address, timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False

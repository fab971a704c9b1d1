#!/usr/bin/env python3
"""An app may close its listening socket: as a probe, for a while, or for good."""

from harness import *
from lib.steering import ready_workers, workers


def states(broker):
    return {w["worker"]: w["state"] for w in workers(broker)}


@test
def a_probe_publishes_nothing():
    broker = Broker(app("srv_probe"), workers=2)
    # Until both have looked, their clients meet what they would without a broker.
    broker.wait_event("channel", address="127.0.0.1:%d" % broker.port, count=2)
    assert http_get(broker.port).status == 200
    broker.settle()
    open_now = set()
    for e in broker.log.find(["listen", "unlisten"]):
        (open_now.add if e["event"] == "listen" else open_now.discard)(e.get("address"))
    assert open_now - {None} == {"127.0.0.1:%d" % broker.port}, open_now
    assert refused(broker.port, "127.0.0.2")


@test
def clients_wait_for_an_app_that_listens_again_at_its_start():
    """As hitch does: it listens to see that it can, and its children listen once more."""
    script = write_file("again.py", """
import os, socket, sys
def listen():
    s = socket.socket()
    s.bind(("127.0.0.1", int(sys.argv[1])))
    s.listen(64)
    return s
listen().close()
while not os.path.exists(sys.argv[2]):
    pass
s = listen()
while True:
    c = s.accept()[0]
    if c.recv(4096):
        c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 10\\r\\n\\r\\npid=%06d" % os.getpid())
    c.close()
""")
    broker = Broker(["python3", script, "{port}", tmp("go")], workers=2)
    # Both have closed it: the clients come in between.
    wait_until(lambda: set(states(broker).values()) == {"starting"})
    clients = [connect(broker.port) for _ in range(8)]
    for client in clients:
        send_request(client)
    write_file("go", "")
    for client in clients:
        assert read_answer(client).status == 200
    assert not broker.events("unlisten")


@test
def a_worker_that_has_enough_clients_is_out_of_the_round_until_it_listens_again():
    broker = Broker(app("srv_limit"), workers=1)
    old = ready_workers(broker)
    full = [connect(broker.port) for _ in range(2)]
    for sock in full:
        send_request(sock, close=False)
        read_answer(sock)
    broker.wait_event("worker-closed", worker="web.0")
    assert states(broker) == {"web.0": "closed"}
    waiting = connect(broker.port)
    send_request(waiting)
    full[0].close()
    assert read_answer(waiting).pid == old["web.0"]
    broker.wait_event("worker-released", worker="web.0")
    assert len(broker.events("worker-start")) == 1


@test
def nobody_is_lost_at_a_limit_and_no_worker_is_replaced():
    broker = Broker(app("srv_limit"), workers=2)
    load = Load(broker.port, inflight=16)
    load.wait_answers(2000)
    load.assert_clean()
    assert len(broker.events("worker-start")) == 2


@test
def a_worker_that_does_not_listen_again_in_time_is_replaced():
    broker = Broker(app("srv_limit"), workers=1, relisten_timeout="300ms")
    old = ready_workers(broker)
    full = [connect(broker.port) for _ in range(2)]
    for sock in full:
        send_request(sock, close=False)
        read_answer(sock)
    broker.wait_event("worker-draining", worker="web.0", pid=old["web.0"])
    # Its clients are served to their end by it; new ones by another.
    assert http_get(broker.port).pid != old["web.0"]
    for sock in full:
        send_request(sock)
        assert read_answer(sock).pid == old["web.0"]


main()

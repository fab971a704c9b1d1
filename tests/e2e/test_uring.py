#!/usr/bin/env python3
"""An app that accepts through io_uring is refused, and told why."""
from harness import *


@test
def accepting_through_io_uring_is_refused_in_words_and_backed_off():
    broker = Broker(app("srv_uring"), workers=1, stall_timeout="200ms", backoff_min="10s",
                    backoff_max="10s", wait_ready=False)
    first = broker.wait_event("output", worker="web.0")
    if "no io_uring here" in first["text"]:
        skip("this kernel has no io_uring")
    with connect(broker.port):
        refused = broker.wait_event("worker-failed", worker="web.0")
        assert "uses io_uring" in refused["message"], refused
        assert "switch it off" in refused["message"], refused
        broker.wait_event("back-off", delay_ms=10000)
        assert len(broker.events("worker-start")) == 1
    broker.stop()


main()

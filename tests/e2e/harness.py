"""
Everything that an end-to-end test needs, under one name:

    #!/usr/bin/env python3
    from harness import *

    @test
    def a_reload_under_load_loses_nothing():
        broker = Broker(app("srv_poll"), workers=2)
        load = Load(broker.port)
        load.wait_answers(100)
        with broker.same_fds():
            broker.reload_and_wait()
        load.wait_answers(100)
        load.assert_clean()

    main()

A broker that a test leaves running is stopped at its end, and must then end in order.
"""

import signal

from lib import faults, proc, sockdiag
from lib.broker import Broker, broker_cli, clean_environment
from lib.clients import (
    Answer, connect, half_close, http_get, read_answer, refused, reset, send_request,
)
from lib.eventlog import EventLog
from lib.load import Load
from lib.namespace import private_namespaces
from lib.paths import APPS, BUILD, ROOT, app, broker_program
from lib.plain import Plain
from lib.ports import free_port
from lib.proc import send_signal, wait_until
from lib.release import GOOD, HANGS, Gate, Release
from lib.server import Server
from lib.tap import add_test, at_end, main, note, skip, skip_all, test, tmp, write_file

__all__ = [name for name in dir() if not name.startswith("_")]

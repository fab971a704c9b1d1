"""The servers in C of this directory, as apps for behind.check(); test_c_apps.py runs them."""

import os

from behind import INFLIGHT, Load, add_test, check, free_port, main
from lib.paths import APPS


class CApp:
    """ports, processes, env: as in behind.check(). keepalive: takes several requests on a connection."""

    tells_pid, same_fds = True, True

    def __init__(self, name, *arguments, ports=1, processes=1, keepalive=False, env=True, mode="http"):
        self.name = " ".join((name,) + arguments)
        self._program, self._arguments = os.path.join(APPS, name), list(arguments)
        self._n, self.processes, self.env = ports, processes, env
        self._keepalive, self._mode = keepalive, mode

    def prepare(self):
        self.ports = [free_port() for _ in range(self._n)]
        words = [self._program] + [str(port) for port in self.ports] + self._arguments
        self.settings = {"command": words}
        self.broken = {"command": [self._program, "no-port"]}

    def load(self, port, path):
        return Load(port, inflight=INFLIGHT // self._n, path=path, mode=self._mode)

    def more_loads(self):
        return [Load(self.ports[0], inflight=4, keepalive=20)] if self._keepalive else []

    def break_files(self):
        pass

    mend_files = break_files


TABLE = [
    CApp("srv_blocking"),
    CApp("srv_poll", keepalive=True),
    CApp("srv_select", keepalive=True),
    CApp("srv_epoll_before_listen", keepalive=True),
    CApp("srv_fork", keepalive=True),
    CApp("srv_threads"),
    CApp("srv_prefork", processes=3),
    CApp("srv_exec"),
    CApp("srv_daemon"),
    CApp("srv_daemon", "listen-first"),
    CApp("srv_two", ports=2),
    CApp("srv_line", env=False, mode="line"),
]


def run():
    def one(app):
        app.prepare()
        check(app)

    for app in TABLE:
        add_test(app.name + " behind the broker", lambda app=app: one(app))
    main()

#!/usr/bin/env python3
"""
Every recipe of the documents runs as it is written: as root, on a machine of its own. Paths, ports
and users are those of the recipe.

    test_recipes.py [NAME...]   a part of the name is enough
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import private  # noqa: E402
import recipes  # noqa: E402
from asking import Asking  # noqa: E402
from behind import ready_workers  # noqa: E402
from harness import *  # noqa: E402,F401,F403
from keepalive import KeepAlive  # noqa: E402
from recipe_apps import NPM, app_of  # noqa: E402
from row import PATH, which  # noqa: E402

REQUIRED = os.environ.get("BROKER_APPS_REQUIRED") == "1"
PATH = os.pathsep.join(("/usr/bin", PATH, os.path.join(NPM, ".bin")))
IDLE = 4
HERE = "/srv/here"  # of a service that names no directory
OURS = re.compile(r"^(log|log_level|log_format|run_dir) *=.*\n", re.M)  # the harness has its own


def devices():
    return {name: os.lstat(os.path.join("/dev", name)).st_mode for name in os.listdir("/dev")}


def lay_out(recipe):
    """All that the recipe's reader has. Returns (name, App, published port, settings) of each service."""
    found = []
    # An empty one, and nothing is deleted; it ends with the namespace.
    subprocess.run("mount -t tmpfs -o mode=755 srv /srv && mkdir %s" % HERE, shell=True, check=True)
    for path, text in recipes.page_files().items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
    for name, keys in recipe.services.items():
        app = app_of(keys["command"])
        assert app, "no app for this recipe in recipe_apps.py: " + keys["command"]
        if not which(app.needs) and not os.path.exists(os.path.join(NPM, ".bin", app.needs)):
            assert not REQUIRED, "not installed: " + app.needs
            skip("not installed: " + app.needs)
        folder = keys.get("directory", HERE)
        os.makedirs(folder, exist_ok=True)
        for file, text in app.files.items():
            with open(os.path.join(folder, file), "w") as f:
                f.write(text)
        subprocess.run(["sh", "-ec", app.setup], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        published = re.match(r"(?:\S+:)?(\d+)", keys.get("listen", str(app.port)))
        found.append((name, app, int(published.group(1)), keys))
    return found


class Service:
    """One service of a recipe, and its clients."""

    def __init__(self, broker, name, app, port, keys):
        self._broker, self.name, self._app, self._port, self._keys = broker, name, app, port, keys
        self._workers = len(self._taken())
        assert self._workers, "no worker of %s is ready" % name

    def _taken(self):
        """{pid: connections that it has taken} of its ready workers."""
        pids = {e["pid"] for e in self._broker.events("worker-ready", service=self.name)}
        return {pid: n for pid, n in ready_workers(self._broker).items() if pid in pids}

    def _load(self):
        return Asking(self._app.ask, self._port, 2) if self._app.ask else Load(self._port, inflight=4)

    def all_answer(self):
        before, load = self._taken(), self._load()
        load.wait_answers(20)
        # The clients have one address.
        enough = any if self._keys.get("balance") == "source" else all
        wait_until(
            lambda: enough(n > before[pid] for pid, n in self._taken().items()),
            30, lambda: "connections for all: %s, then %s" % (before, self._taken()),
        )
        load.assert_clean()

    def check(self):
        if self._app.check:
            self._app.check(self._broker, self._port)

    def start_clients(self):
        self._clients = [self._load()]
        if "drain_signal" in self._keys:
            self._clients.append(KeepAlive(self._port, busy=8, idle=IDLE))
        self.wait_answers()

    def wait_answers(self):
        for load in self._clients:
            load.wait_answers(20)

    def wait_replaced(self, mark):
        words = ["reload-done", "reload-aborted", "reload-refused"]
        ended = self._broker.log.wait(words, mark, 60, service=self.name)
        assert ended["event"] == "reload-done", ended
        # Half the time that drain_timeout would give them. Those that are kept for a rollback stay.
        left = "worker-parked" if "rollback_window" in self._keys else "worker-exit"
        self._broker.wait_event(left, since=mark, count=self._workers, timeout=30, service=self.name)

    def assert_clean(self):
        for load in self._clients:
            load.assert_clean()
        for keepalive in self._clients[1:]:
            assert keepalive.ended == IDLE, "%d of %d idle connections were ended" % (keepalive.ended, IDLE)


def run_recipe(recipe, changes=()):
    found = lay_out(recipe)
    before, text = devices(), OURS.sub("", recipe.text)
    for old, new in changes:
        text = text.replace(old, new)
    broker = Broker(text=text, env={"PATH": PATH, "LC_ALL": "C.UTF-8"}, cwd=HERE)
    services = [Service(broker, *one) for one in found]
    for service in services:
        service.all_answer()
        service.check()
    for service in services:
        service.start_clients()
    mark = broker.mark()
    broker.hup()
    for service in services:
        service.wait_replaced(mark)
    for service in services:
        service.wait_answers()
        service.assert_clean()
        service.check()
    mark = broker.mark()
    broker.stop()
    assert not broker.log.find(["worker-kill"], mark), "it ignored its stop signal"
    assert devices() == before, "/dev was changed: %s, then %s" % (before, devices())


def chosen(name):
    return not sys.argv[1:] or any(part in name for part in sys.argv[1:])


if os.geteuid() != 0:
    assert not REQUIRED, "needs root"
    skip_all("needs root: the recipes have paths, ports and users of their own")
private.private_machine()
for one in recipes.recipes():
    if chosen(one.name):
        add_test(one.name, lambda one=one: run_recipe(one))
    if "drain_signal = QUIT" in one.text and chosen(one.name):
        change = ("drain_signal = QUIT", "drain_signal = HUP")
        add_test(one.name + ", with HUP", lambda one=one, change=change: run_recipe(one, [change]))
del sys.argv[1:]
main()

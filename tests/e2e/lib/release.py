"""An app whose code on disk changes: a script that is replaced as a deployment does it."""

import os

from . import tap
from .paths import APPS

GOOD = 'exec %s/srv_poll "$@"' % APPS
HANGS = "exec sleep 1000"


class Release:
    """
        release = Release(GOOD)
        broker = Broker(release.command())
        release.deploy("echo no such module >&2; exit 1")

    The script is one file; each deployment puts another one in its place.
    """

    def __init__(self, body=GOOD, name="app"):
        self.path = tap.tmp(name)
        self.deploy(body)

    def deploy(self, body):
        with open(self.path + ".new", "w") as f:
            f.write("#!/bin/sh\n%s\n" % body)
        os.chmod(self.path + ".new", 0o755)
        os.rename(self.path + ".new", self.path)

    def remove(self):
        os.unlink(self.path)

    def command(self, *arguments):
        return [self.path] + list(arguments or ("{port}",))


class Gate:
    """
    Holds processes until it is opened for so many: a script waits by `%s` % gate, one line each.
    """

    def __init__(self, name="gate"):
        self.path = tap.tmp(name)
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        tap.current().cleanups.append(lambda: os.close(self._fd))

    def __str__(self):
        return "read line < %s" % self.path

    def open(self, n=1):
        os.write(self._fd, b"\n" * n)

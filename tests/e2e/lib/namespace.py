"""Private process and network namespaces, for tests that break things on purpose."""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

from . import tap
from .paths import BUILD

UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--net"]
INSIDE = "TAP_INSIDE_NAMESPACE"

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def private_namespaces():
    """
    To be called before main(): runs this whole program again as the first process of its own pid
    namespace, in its own network with nothing but a loopback. Whatever it kills, fills or leaves
    is its own, and ends with it. Skips the program, saying so, where that is not permitted.
    """
    if os.environ.get(INSIDE) == "1":
        del os.environ[INSIDE]
        _loopback_up()
        return
    if not shutil.which(UNSHARE[0]):
        tap.skip_all("needs unshare(1)")
    trial = subprocess.run(UNSHARE + ["true"], stdin=subprocess.DEVNULL, capture_output=True)
    if trial.returncode != 0:
        why = trial.stderr.decode("utf-8", "replace").strip() or "exit %d" % trial.returncode
        tap.skip_all("namespaces are not permitted here: " + why)
    sys.stdout.flush()
    os.environ[INSIDE] = "1"
    os.environ["BROKER_BUILD"] = BUILD
    os.execvp(UNSHARE[0], UNSHARE + [sys.executable] + sys.argv)


def _loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(s, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))

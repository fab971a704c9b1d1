"""Programs whose calls are trapped: static ones and Go, built in several ways."""

import errno
import os
import shutil
import subprocess

from . import tap
from .faults import filtered
from .paths import BUILD, ROOT, broker_program


def static(name):
    return os.path.join(BUILD, "apps", "static", name)


def untraced():
    """The broker where nobody may trace anything: the launcher loads the programs by itself."""
    if os.uname().machine != "x86_64":
        tap.skip("the number of ptrace(2) is that of x86-64")
    return {"program": filtered(broker_program(), 101, 0x50000 | errno.EPERM)}


HOW = {"under_load": dict, "untraced": untraced}


def go_program(mode, source="srv_go.go"):
    """Built once for all runs, as the library of Go takes its time. @mode: exe, pie, cgo."""
    if not shutil.which("go"):
        tap.skip("no Go here: golang-go")
    name = os.path.basename(source)[: -len(".go")]
    path = os.path.join(BUILD, "apps", "%s.%s" % (name, mode))
    source = os.path.join(ROOT, "tests", "apps", source)
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(source):
        env = dict(os.environ, CGO_ENABLED=str(int(mode == "cgo")), GOCACHE=os.path.join(BUILD, "go-cache"), HOME=tap.tmp())
        made = "%s.%d" % (path, os.getpid())
        subprocess.run(["go", "build", "-buildmode=" + mode.replace("cgo", "exe"), "-o", made, source], env=env, check=True, timeout=300)
        os.rename(made, path)
    return path

"""
A real systemd as the first process of namespaces of its own, for a program that runs in
private_namespaces(): the network is that of the program, /run and the cgroups are its own, and the
rest of the file system is as it is, to be read only.
"""

import os
import shutil
import signal
import subprocess
import time

from . import proc, tap
from .paths import BUILD

SYSTEMD = next((p for p in ("/usr/lib/systemd/systemd", "/lib/systemd/systemd") if os.path.exists(p)), None)
UNSHARE = "unshare --pid --fork --kill-child --mount --uts --ipc --cgroup --mount-proc".split()

# It knows no unit but ours, so that it starts nothing else; and can write only what is mounted here.
SETUP = """
set -e
mount --make-rprivate /
mount -o remount,bind,ro /
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -o remount,bind,ro /sys
for dir in /run /tmp /var/tmp; do
    mount -t tmpfs -o mode=755 tmpfs $dir
done
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/systemd/system /run/lock
# What ours want. There is nothing behind it.
for name in nothing sysinit basic shutdown network network-online; do
    printf '[Unit]\\nDefaultDependencies=no\\n' > /run/systemd/system/$name.target
done
export container=test SYSTEMD_UNIT_PATH=/run/systemd/system SYSTEMD_GENERATOR_PATH=/run/lock
exec %s --system --unit=nothing.target --log-target=null --show-status=no
""" % SYSTEMD


def _cgroup2():
    with open("/proc/self/mounts") as f:
        return next((line.split()[1] for line in f if line.split()[2] == "cgroup2"), None)


class Systemd:
    """
        systemd = Systemd()
        systemd.write("/run/systemd/system/a.service", "[Service]\\n...")
        systemd.ctl("start", "a")
    """

    def __init__(self):
        if os.geteuid() != 0 or not SYSTEMD or not shutil.which("nsenter") or not _cgroup2():
            tap.skip("NO systemd OF OUR OWN CAN BE STARTED HERE (needs root, systemd, nsenter, cgroup2)")
        self.group = os.path.join(_cgroup2(), "broker-test-%d" % time.monotonic_ns())
        os.mkdir(self.group)
        tap.at_end(self._remove_group)
        self._said = open(tap.tmp("systemd.said"), "w+")
        self.process = subprocess.Popen(
            ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.group, *UNSHARE, "sh", "-c", SETUP],
            stdin=subprocess.DEVNULL, stdout=self._said, stderr=subprocess.STDOUT, preexec_fn=proc.die_with_parent,
        )
        tap.at_end(self._end)
        deadline = time.monotonic() + 60
        while not self._runs():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self._said.seek(0)
                tap.skip("NO systemd OF OUR OWN CAN BE STARTED HERE: " + self._said.read()[-300:])
            time.sleep(0.05)

    def _runs(self):
        children = proc.descendants(self.process.pid)
        self.pid = children[0] if children else None
        return self.pid and self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def run(self, *command):
        """A program beside systemd, as root. Has .returncode .stdout .stderr."""
        enter = "nsenter -t %d -m -p -u -i -C --" % self.pid
        return subprocess.run([*enter.split(), *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, text=True)

    def ctl(self, *words, code=0):
        done = self.run("systemctl", "--no-pager", *words)
        assert done.returncode == code, "systemctl %s: %d, want %d: %s%s" % (
            " ".join(words), done.returncode, code, done.stdout, done.stderr)
        return done.stdout

    def show(self, unit, key):
        return self.ctl("show", "-P", key, unit).strip()

    def wait(self, unit, key, value, timeout=30):
        proc.wait_until(lambda: self.show(unit, key) == value, timeout,
                        lambda: "%s of %s to be %s: %s" % (key, unit, value, self.run("systemctl", "status", unit).stdout))

    def path(self, name):
        """Of a file of its own /run, for us."""
        return "/proc/%d/root%s" % (self.pid, name)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w") as f:
            f.write(text)
        os.chmod(path + ".new", mode)
        os.rename(path + ".new", path)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def outside(self, pid):
        """Our number of its process `pid`."""
        for candidate in proc.pids():
            try:
                with open("/proc/%d/status" % candidate) as f:
                    numbers = next(line for line in f if line.startswith("NSpid:")).split()[1:]
            except (OSError, StopIteration):
                continue
            if len(numbers) > 1 and numbers[-1] == str(pid):
                return candidate
        raise AssertionError("no process %s below systemd" % pid)

    def _end(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)  # and the kernel ends what is in its pid namespace
        self.process.wait(10)
        self._said.close()

    def _remove_group(self):
        def gone():
            for where, _, _ in os.walk(self.group, topdown=False):
                try:
                    os.rmdir(where)
                except OSError:
                    return False
            return True

        proc.wait_until(gone, 10, "end of the cgroup %s" % self.group)

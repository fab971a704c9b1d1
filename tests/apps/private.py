"""
A machine of its own for the apps that a test runs as root: they know nothing of a test, and would
bind its ports, write logs below /var, take over /dev/null, or leave a process.
"""

import os
import subprocess

from lib.namespace import private_namespaces

# What the apps write below /etc and /var lands in memory, and ends with this namespace.
MOUNTS = """
set -e
mount -t tmpfs -o mode=755 dev /dev
mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/zero c 1 5; mknod -m 666 /dev/full c 1 7
mknod -m 666 /dev/random c 1 8; mknod -m 666 /dev/urandom c 1 9; mknod -m 666 /dev/tty c 5 0
ln -s /proc/self/fd /dev/fd; ln -s fd/0 /dev/stdin; ln -s fd/1 /dev/stdout; ln -s fd/2 /dev/stderr
mkdir /dev/pts /dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
ln -s pts/ptmx /dev/ptmx
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=755 run /run
mkdir -p -m 1777 /run/lock
mount -t tmpfs -o mode=700 layers /mnt
for dir in etc var; do
	mkdir /mnt/$dir /mnt/$dir.work
	mount -t overlay -o lowerdir=/$dir,upperdir=/mnt/$dir,workdir=/mnt/$dir.work $dir /$dir
done
"""


def private_machine():
    """To be called before main(). Does nothing for a user that is not root: its apps can do little."""
    if os.geteuid() == 0:
        private_namespaces()
        subprocess.run(["sh", "-c", MOUNTS], check=True)

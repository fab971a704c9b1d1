"""
A machine of its own for apps that run as root and know nothing of a test: they would write logs
below /var, replace /dev/null by a file, or leave a process.
"""

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
mount -t tmpfs -o mode=755 srv /srv
mount -t tmpfs -o mode=700 layers /mnt
for dir in etc var; do
	mkdir /mnt/$dir /mnt/$dir.work
	mount -t overlay -o lowerdir=/$dir,upperdir=/mnt/$dir,workdir=/mnt/$dir.work $dir /$dir
done
"""


def private_machine():
    """To be called before main(), as root: runs this program again inside."""
    private_namespaces()
    subprocess.run(["sh", "-c", MOUNTS], check=True)

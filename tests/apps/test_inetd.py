#!/usr/bin/env python3
"""Programs that were written for inetd, unmodified: a reload and the end of a zygote under clients."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import private  # noqa: E402
from harness import *  # noqa: E402,F401,F403
from lib.paths import BUILD  # noqa: E402
from lib.steering import ready_workers  # noqa: E402

# What tests/apps/install is to install for this file, and what it is to unpack below the build
# directory: programs that Debian does not install beside others of these.
PACKAGES = ("micro-httpd fingerd finger git rsync subversion cvs popa3d pure-ftpd perl oidentd exim4-daemon-light"
            " dovecot-imapd openssh-server openssh-client dictd busybox libwrap0 libtirpc3")
UNPACKED = "vsftpd tftpd-hpa atftpd xinetd busybox-static"  # xinetd: for tests/bench/inetd; busybox-static: rows/web.py
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"] +
                       [os.path.join(BUILD, "unpacked", package, "usr/sbin") for package in UNPACKED.split()])

CLIENTS = 6


def until(client, pattern):
    """Reads until it matches."""
    text = b""
    while not re.search(pattern, text):
        part = client.recv(65536)
        assert part, "ended after %r, before %r" % (text[-200:], pattern)
        text += part
    return text


def talk(*steps):
    """Of what is sent, and the pattern of what must come then, one after the other."""
    def ask(port):
        with connect(port) as client:
            for step in steps:
                if isinstance(step, bytes):
                    client.sendall(step.replace(b"{tmp}", tmp().encode()))
                else:
                    until(client, step.encode())
    return ask


def command(*words):
    """A client program, with {port} in its words: it must succeed."""
    def ask(port):
        done = subprocess.run([word.format(port=port, tmp=tmp()) for word in words],
                              capture_output=True, timeout=30,
                              env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})
        assert done.returncode == 0, done.stderr
    return ask


def ident(port):
    """The server is asked about the very connection on which it is asked: it is root's."""
    with connect(port) as client:
        client.sendall(b"%d , %d\r\n" % (client.getsockname()[1], port))
        until(client, rb"USERID ?: ?UNIX ?: ?root")


def git_repository():
    for words in (["init", "-q", "--bare", tmp("r.git")], ["init", "-q", tmp("w")],
                  ["-C", tmp("w"), "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q",
                   "--allow-empty", "-m", "one"],
                  ["-C", tmp("w"), "push", "-q", tmp("r.git"), "HEAD"]):
        subprocess.run(["git"] + words, check=True, capture_output=True)


def svn_repository():
    subprocess.run(["svnadmin", "create", tmp("svn")], check=True)


def cvs_repository():
    os.mkdir(tmp("cvs"))
    subprocess.run(["cvs", "-d", tmp("cvs"), "init"], check=True)
    with open(tmp("cvs/CVSROOT/passwd"), "w") as f:
        f.write("anonymous::nobody\n")


def rsync_module():
    os.mkdir(tmp("files"))
    with open(tmp("files/one"), "w") as f:
        f.write("one\n")
    with open(tmp("rsyncd.conf"), "w") as f:
        f.write("[files]\npath = %s\nuse chroot = no\nuid = 0\ngid = 0\n" % tmp("files"))


def tftp(port):
    """Fetches a file. As TFTP's clients do, it asks again if nothing comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        for _ in range(5):
            client.sendto(b"\0\1one\0octet\0", ("127.0.0.1", port))
            try:
                data, peer = client.recvfrom(600)
            except TimeoutError:
                note("asked again")
                continue
            assert data == b"\0\3\0\1one\n", data
            client.sendto(b"\0\4\0\1", peer)
            return
        raise AssertionError("no answer")


def tftp_files():
    os.chmod(tmp(), 0o711)
    os.mkdir(tmp("tftp"), 0o755)
    script("tftp/one", "one\n")()


def web_page():
    os.mkdir(tmp("www"))
    with open(tmp("www/index.html"), "w") as f:
        f.write("<p>a page</p>\n")


def host_key():
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp("key")], check=True)
    os.makedirs("/run/sshd", exist_ok=True)
    script("sshd.conf", "HostKey {tmp}/key\nUsePAM no\n")()


def vsftpd_files():
    os.makedirs("/run/vsftpd/empty", exist_ok=True)
    script("vsftpd.conf", "listen=NO\nanonymous_enable=YES\nftp_username=nobody\nsecure_chroot_dir=/run/vsftpd/empty\n")()


def dovecot_files():
    os.mkdir(tmp("mail"))
    shutil.chown(tmp("mail"), "nobody")
    os.chmod(tmp(), 0o711)
    script("dovecot.conf", DOVECOT)()


def script(name, text):
    def write():
        with open(tmp(name), "w") as f:
            f.write(text.replace("{tmp}", tmp()))
    return write


PERL = "$| = 1; my $line = <STDIN>; print 'perl of ', $ENV{TCPREMOTEIP}, ' heard ', $line;\n"
PYTHON = "import os, sys\nline = sys.stdin.readline()\nprint('python heard', line, end='')\n"
SHELL = "read line\necho shell of $TCPREMOTEIP heard $line\n"

EXIM = "spool_directory = {tmp}/spool\nlog_file_path = syslog\nprimary_hostname = localhost\ntls_advertise_hosts =\nkeep_environment =\n"
DOVECOT = """
base_dir = {tmp}/dovecot
state_dir = {tmp}
log_path = /dev/stderr
ssl = no
mail_location = maildir:{tmp}/mail
"""

# Asks the kernel to be ended with its parent (PR_SET_PDEATHSIG): that is the zygote.
ENDS_WITH_ZYGOTE = {"vsftpd"}
WAITS = {"wait": "yes", "workers": 1, "listen": "udp 127.0.0.1:{port}", "park": None, "processes": None}
KEYS = {"dovecot imap": {"user": "nobody"}, "tftpd-hpa": WAITS, "atftpd": WAITS}

# name: program that must be there, its command, what makes its files, a client
PROGRAMS = {
    "micro-httpd": ("micro-httpd", "{program} {tmp}/www", web_page,
                    talk(b"GET /index.html HTTP/1.0\r\n\r\n", "a page")),
    "fingerd": ("in.fingerd", "{program}", None, talk(b"root\r\n", "root")),
    "git daemon": ("git", "{program} daemon --inetd --export-all --base-path={tmp}", git_repository,
                   command("git", "ls-remote", "git://127.0.0.1:{port}/r.git")),
    "rsync": ("rsync", "{program} --daemon --config={tmp}/rsyncd.conf", rsync_module,
              command("rsync", "-q", "rsync://127.0.0.1:{port}/files/one", "{tmp}/got")),
    "svnserve": ("svnserve", "{program} -i -r {tmp}/svn", svn_repository,
                 command("svn", "ls", "--non-interactive", "svn://127.0.0.1:{port}/")),
    "cvs pserver": ("cvs", "{program} -f --allow-root={tmp}/cvs pserver", cvs_repository,
                    talk("BEGIN AUTH REQUEST\n{tmp}/cvs\nanonymous\nA\nEND AUTH REQUEST\n".encode(),
                         "I LOVE YOU")),
    "popa3d": ("popa3d", "{program}", None, talk(r"\+OK", b"QUIT\r\n", r"\+OK")),
    "pure-ftpd": ("pure-ftpd", "{program}", None, talk("220", b"QUIT\r\n", "221")),
    "vsftpd": ("vsftpd", "{program} {tmp}/vsftpd.conf", vsftpd_files,
               talk("220", b"QUIT\r\n", "221")),
    "oidentd": ("oidentd", "{program} --stdio --nosyslog", None, ident),
    "exim -bs": ("exim4", "{program} -C {tmp}/exim.conf -bs", script("exim.conf", EXIM),
                 talk("220 .*\r\n", b"EHLO x\r\n", "250 HELP\r\n", b"QUIT\r\n", "221")),
    # It will not be root behind inetd: see KEYS.
    "dovecot imap": ("doveadm", "{program} -c {tmp}/dovecot.conf exec imap", dovecot_files,
                     talk(r"\* PREAUTH", b"a SELECT INBOX\r\n", "a OK", b"b LOGOUT\r\n", r"\* BYE")),
    "sshd -i": ("sshd", "{program} -i -e -f {tmp}/sshd.conf", host_key,
                command("ssh-keyscan", "-t", "ed25519", "-p", "{port}", "127.0.0.1")),
    "dictd": ("dictd", "{program} -i -c {tmp}/dictd.conf",
              script("dictd.conf", "global { pid_file {tmp}/pid }\ndatabase_exit\n"),
              talk("220 ", b"QUIT\r\n", "221 ")),
    "busybox httpd": ("busybox", "{program} httpd -i -h {tmp}/www", web_page,
                      talk(b"GET /index.html HTTP/1.0\r\n\r\n", "a page")),
    "tftpd-hpa": ("in.tftpd", "{program} -s {tmp}/tftp", tftp_files, tftp),
    "atftpd": ("atftpd", "{program} {tmp}/tftp", tftp_files, tftp),
    "perl": ("perl", "{program} {tmp}/server.pl", script("server.pl", PERL),
             talk(b"hello\n", "perl of 127.0.0.1 heard hello")),
    "python": ("python3", "{program} {tmp}/server.py", script("server.py", PYTHON),
               talk(b"hello\n", "python heard hello")),
    "shell": ("sh", "{program} {tmp}/server.sh", script("server.sh", SHELL),
              talk(b"hello\n", "shell of 127.0.0.1 heard hello")),
}


def serves(name, park):
    program, line, prepare, ask = PROGRAMS[name]
    path = shutil.which(program, path=PATH)
    if not path:
        assert os.environ.get("BROKER_APPS_REQUIRED") != "1", "not installed: %s" % program
        skip("no %s here" % program)
    if prepare:
        prepare()
    keys = {"workers": 2, "park": park, "listen": "127.0.0.1:{port}", "processes": 100, **KEYS.get(name, {})}
    broker = Broker(line.format(program=path, tmp=tmp()).split(), mode="inetd",
                    **{key: value for key, value in keys.items() if value})
    stop, killed, failed, counts = threading.Event(), threading.Event(), [], [0] * CLIENTS

    def client(n):
        spare = name in ENDS_WITH_ZYGOTE
        while not stop.is_set() and not failed:
            try:
                ask(broker.port)
                counts[n] += 1
            except Exception as e:  # whatever it is, it is an answer that did not come
                if not (spare and killed.is_set()):
                    failed.append(repr(e))
                spare = False

    ask(broker.port)
    threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: failed or sum(counts) >= 20)
        broker.reload_and_wait()
        killed.set()
        os.kill(sorted(ready_workers(broker).items())[-1][1], signal.SIGKILL)
        broker.wait_event("worker-exit", how="signal 9")
        seen = sum(counts)
        wait_until(lambda: failed or sum(counts) >= seen + 20)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed, failed[0]
    note("%d connections" % sum(counts))


if "--packages" in sys.argv or "--unpacked" in sys.argv:
    print(PACKAGES if "--packages" in sys.argv else UNPACKED)
    sys.exit()
if os.geteuid() == 0:
    private.private_machine()
for name in PROGRAMS:
    for park in ("main", "first-read") if name in ("perl", "python", "shell") else ("main",):
        add_test("%s, park = %s" % (name, park), lambda n=name, p=park: serves(n, p))

main()

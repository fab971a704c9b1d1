#!/usr/bin/env python3
"""brokerctl convert: files of inetd and xinetd, in the form that Debian's packages ship."""

import os
import re
import socket

from harness import *
from lib.ctl import ctl

OK, FAILED, USAGE = 0, 1, 2

# As openbsd-inetd has it after update-inetd(8) of fingerd, talkd, popa3d, sane-utils, apt-cacher,
# amanda-server, cvs, tftpd-hpa, rusersd, micro-httpd.
INETD = """\
# /etc/inetd.conf:  see inetd(8) for further informations.
# <service_name> <sock_type> <proto> <flags> <user> <server_path> <args>
#
#:INTERNAL: Internal services
#discard\t\tstream\ttcp\tnowait\troot\tinternal
daytime\t\tstream\ttcp\tnowait\troot\tinternal
#:STANDARD: These are standard services.
#<off># telnet\t\tstream\ttcp\tnowait\troot\t/usr/sbin/tcpd\t/usr/sbin/telnetd
#:BSD: Shell, login, exec and talk are BSD protocols.
ntalk\t\tdgram\tudp\twait\tnobody.tty\t/usr/sbin/in.ntalkd\tin.ntalkd
#:MAIL: Mail, news and uucp services.
pop3\t\tstream\ttcp\tnowait\troot\t/usr/sbin/tcpd\t/usr/sbin/popa3d
#:INFO: Info services
finger\t\tstream\ttcp4\tnowait.60\tnobody\t/usr/sbin/tcpd\t/usr/sbin/in.fingerd -w
finger\t\tstream\ttcp6\tnowait\tnobody\t/usr/sbin/in.fingerd\tin.fingerd
#:RPC: RPC based services
rusersd/2-3\tdgram\trpc/udp\twait\tnobody\t/usr/sbin/tcpd\t/usr/sbin/rpc.rusersd
#:OTHER: Other services
6566\tstream\ttcp\tnowait\tsaned:saned\t/usr/sbin/saned saned
3142\tstream\ttcp\tnowait\twww-data\t/usr/sbin/apt-cacher\tapt-cacher\t-i
10080 stream tcp nowait backup /usr/lib/amanda/amandad amandad -auth=bsdtcp amdump
cvspserver\tstream\ttcp\tnowait.400\troot\t/usr/bin/cvs cvs -f --allow-root=/srv/cvs pserver
127.0.0.1:tftp\tdgram\tudp\twait\troot\t/usr/sbin/in.tftpd\tin.tftpd -s /srv/tftp
"""

XINETD = """\
# Simple configuration file for xinetd
#
# Some defaults, and include /etc/xinetd.d/

defaults
{
\tlog_type\t= SYSLOG daemon info
\tinstances\t= 60
\tcps\t\t= 25 30
}

includedir %s
"""

XINETD_D = {
    "daytime-udp": """\
# default: off
# description: An internal xinetd service. This is the udp version.

service daytime
{
\ttype\t\t= INTERNAL UNLISTED
\tid\t\t= daytime-dgram
\tsocket_type\t= dgram
\tprotocol\t= udp
\tuser\t\t= root
\twait\t\t= yes
\tdisable\t\t= yes
\tport\t\t= 13
}                                                                               
""",
    "finger": """\
service finger
{
\tdisable = no
\tsocket_type = stream
\tprotocol = tcp
\tflags = IPv6
\twait = no
\tuser = nobody
\tserver = /usr/sbin/in.fingerd
\tserver_args = -l -w
\tlog_on_success = HOST
\tonly_from = 192.168.0.0/16
}
""",
    "rsync": """\
service rsync
{
\tdisable\t= no
\tsocket_type     = stream
\twait            = no
\tuser            = root
\tserver          = /usr/bin/rsync
\tserver_args     = --daemon
\tlog_on_failure  += USERID
\tinstances       = 5
\tnice            = 10
\tenv             = LANG=C
}
""",
    "rsync.dpkg-old": "service rsync\n{\n",
    "rsync~": "service rsync\n{\n",
}

# What the section of a program for each connection needs, and a broker that has no such programs
# does not know.


def convert(*files, code=OK):
    done = ctl("convert", *files)
    assert done.returncode == code and bool(done.stderr) == (code != OK), done
    return done.stdout


def sections(text):
    """{name: its lines}, without those in comments."""
    parts = re.split(r"^\[service:(.*)\]\n", text, flags=re.M)
    return {name: [line for line in lines.splitlines() if line and line[0] != "#"]
            for name, lines in zip(parts[1::2], parts[2::2])}


def xinetd():
    os.makedirs(tmp("xinetd.d"), exist_ok=True)
    for name, text in XINETD_D.items():
        write_file("xinetd.d/" + name, text)
    return write_file("xinetd.conf", XINETD % tmp("xinetd.d"))


def knows(lines):
    """Whether the broker has the words of these lines."""
    path = write_file("tiny.ini", "[service:x]\ncommand = /bin/cat\nmode = inetd\n" + lines)
    return broker_cli("-c", path, "--print-config").returncode == 0


def need_inetd():
    if not knows("listen = 127.0.0.1:%d\n" % free_port()):
        skip("THIS BROKER HAS NO mode = inetd: what it makes of the result is not tested")


def understood(text):
    return broker_cli("-c", write_file("made.ini", text), "--print-config")


# --- what is printed ------------------------------------------------------------------------------


@test
def a_file_of_inetd():
    path = write_file("inetd.conf", INETD)
    text = convert(path)
    got = sections(text)
    assert list(got) == ["ntalk", "pop3", "finger", "finger-2", "6566", "3142", "10080",
                         "cvspserver", "tftp"], text
    assert got["ntalk"] == ["mode = inetd", "wait = yes", "listen = udp 518",
                            "command = /usr/sbin/in.ntalkd", "user = nobody", "group = tty"], text
    assert got["pop3"][1:3] == ["listen = 110", "command = /usr/sbin/popa3d"], text
    assert got["finger"] == ["mode = inetd", "listen = 0.0.0.0:79",
                             "command = /usr/sbin/in.fingerd -w", "stderr = connection",
                             "user = nobody"], text
    assert got["finger-2"][1:3] == ["listen = [::]:79", "v6only = yes"], text
    assert got["6566"][-2:] == ["user = saned", "group = saned"], text
    assert got["tftp"][2:4] == ["listen = udp 127.0.0.1:69",
                                "command = /usr/sbin/in.tftpd -s /srv/tftp"], text
    # Each comment has its place in the file.
    for line, words in ((6, "internal: "), (8, "disabled"), (12, "tcpd asked hosts.allow"),
                        (14, "nowait.60: "), (17, "RPC: ")):
        assert "# %s:%d: %s" % (path, line, words) in text, (line, text)
    assert "#[service:telnet]\n#mode = inetd\n#listen = 23\n#command = /usr/sbin/telnetd\n" in text


@test
def files_of_xinetd_and_what_they_include():
    text = convert(xinetd())
    got = sections(text)
    assert list(got) == ["finger", "rsync"], text
    assert got["finger"] == ["mode = inetd", "listen = [::]:79",
                             "command = /usr/sbin/in.fingerd -l -w", "stderr = connection",
                             "user = nobody", "processes = 60"], text
    assert got["rsync"][-4:] == ["user = root", "nice = 10", "processes = 5",
                                 "environment = LANG=C"], text
    assert "# %s:9: cps = 25 30: " % tmp("xinetd.conf") in text, text
    assert "# %s:12: only_from = 192.168.0.0/16: " % tmp("xinetd.d/finger") in text, text
    assert "; internal: " in text and "#[service:daytime-dgram]\n" in text, text
    # One file, or several, without the defaults.
    got = sections(convert(tmp("xinetd.d/finger"), "--", tmp("xinetd.d/rsync")))
    assert list(got) == ["finger", "rsync"] and "processes = 60" not in got["finger"], got
    assert sections(convert(tmp("xinetd.d/finger"), tmp("xinetd.d/rsync"))) == got


@test
def a_file_as_debian_ships_it_has_no_service():
    text = convert(write_file("inetd.conf", INETD.split("#discard")[0]))
    assert text == "# There is no service in these files.\n", text


# --- mistakes -------------------------------------------------------------------------------------


@test
def mistakes_name_file_and_line_and_the_rest_is_there():
    path = write_file("inetd.conf", "finger stream tcp nowait\n"
                      "no-such-service stream tcp nowait root /bin/cat cat\n"
                      "finger stream tcp nowait nobody /bin/cat cat\n")
    done = ctl("convert", path)
    assert done.returncode == FAILED, done
    assert done.stderr.splitlines() == [
        "brokerctl: %s:1: a line of inetd.conf has at least 6 words: SERVICE TYPE PROTOCOL WAIT "
        "USER PROGRAM" % path,
        "brokerctl: %s:2: there is no service no-such-service/tcp in /etc/services" % path], done
    assert list(sections(done.stdout)) == ["finger"], done
    path = write_file("x.conf", "service finger\n{\n\tserver /x\n")
    assert "%s:3: a line that is not KEY = VALUE\n" % path in ctl("convert", path).stderr


@test
def files_that_cannot_be_read():
    missing = tmp("missing")
    good = write_file("good", "finger stream tcp nowait nobody /bin/cat cat\n")
    done = ctl("convert", missing, good)
    assert done.returncode == FAILED and list(sections(done.stdout)) == ["finger"], done
    assert done.stderr == "brokerctl: convert: cannot read %s: No such file or directory\n" % missing
    outer = write_file("outer", "includedir %s\ninclude %s\n" % (missing, missing))
    done = ctl("convert", outer)
    for line in (1, 2):
        assert "%s:%d: cannot read %s: No such file" % (outer, line, missing) in done.stderr, done
    assert "Is a directory" in ctl("convert", tmp()).stderr
    # A file that includes itself.
    write_file("self", "include %s\n" % tmp("self"))
    done = ctl("convert", tmp("self"))
    assert done.returncode == FAILED and done.stderr.count("\n") == 1, done
    assert "Too many levels" in done.stderr, done
    assert ctl("convert").returncode == USAGE


# --- what the broker says of it -------------------------------------------------------------------


@test
def the_broker_understands_all_of_it():
    need_inetd()
    for path in (write_file("inetd.conf", INETD), xinetd()):
        made = convert(path)
        done = understood(made)
        assert done.returncode == 0, (made, done)


@test
def the_broker_serves_it():
    need_inetd()
    port = free_port()
    path = write_file("inetd.conf", "127.0.0.1:%d stream tcp nowait %d /bin/cat cat\n"
                      % (port, os.getuid()))
    Broker(text=convert(path))
    with connect(port) as client:
        client.sendall(b"hello\n")
        assert client.recv(100) == b"hello\n"


@test
def the_broker_serves_datagrams_too():
    port = free_port()
    path = write_file("inetd.conf", "127.0.0.1:%d dgram udp wait %d %s wait_server 60000\n"
                      % (port, os.getuid(), app("wait_server")[0]))
    Broker(text=convert(path))
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.sendto(b"hello", ("127.0.0.1", port))
        assert client.recv(100).endswith(b"line=hello\n")


main()

#!/usr/bin/env python3
"""park = first-read: by which calls a program is parked, and what is made right in its forks."""

import os
import re
import shutil
import socket
import sys

from harness import *
from lib import tap
from lib.inetd import ask, ends
from lib.ports import free_port
from lib.steering import ready_workers


def service(command, **options):
    return Broker(command, mode="inetd", listen="127.0.0.1:{port}", **options)


CALLS = ("read", "readv", "recv", "recvfrom", "recvmsg", "getpeername", "getsockname", "getsockopt",
         "poll", "ppoll", "select", "pselect", "epoll", "dup")


@test
def a_program_may_first_touch_its_connection_by_any_call():
    for call in CALLS:
        broker = service(["{apps}/inetd_first", call], workers=1, park="first-read")
        zygote = str(ready_workers(broker)["web.0"])
        answers = [ask(broker.port) for _ in range(3)]
        assert {(a["began"], a["line"]) for a in answers} == {(zygote, "hello")}, (call, answers)
        assert len({a["pid"] for a in answers} - {zygote}) == 3, (call, answers)
        broker.stop()


@test
def a_program_may_want_its_connection_not_to_block():
    broker = service(["{apps}/inetd_first", "nonblocking"], workers=1, park="first-read")
    for _ in range(2):
        with connect(broker.port) as client:
            assert client.recv(100) == b"hello\n"
            client.sendall(b"word\n")
            assert b"line=word" in client.recv(100)


# How a script may first touch its connection: each answers with the line that it has read.
PERL = {
    "a line": "my $l = <STDIN>;",
    "all lines": "my @l = <STDIN>; my $l = $l[0];",
    "in eval": "my $l = eval { my %h = (a => [1, scalar <STDIN>]); $h{a}[1] };",
    "sysread": "my $l; sysread(STDIN, $l, 100);",
    "getc": "my $l = getc(STDIN); $l .= <STDIN>;",
    "greeting": "$| = 1; print 'greeting '; my $l = <STDIN>;",
    "sort": "my ($l) = sort { $a cmp $b } map { uc $_ } <STDIN>; $l = lc $l;",
    "select": "my $r = ''; vec($r, 0, 1) = 1; select($r, undef, undef, 9); my $l = <STDIN>;",
}
PYTHON = {
    "a line": "l = sys.stdin.readline()",
    "all": "l = sys.stdin.read()",
    "bytes": "l = os.read(0, 100).decode()",
    "greeting": "print('greeting', flush=True); l = input()",
    "select": "select.select([0], [], [], 9); l = sys.stdin.readline()",
    "socket": "l = socket.fromfd(0, socket.AF_INET, socket.SOCK_STREAM).recv(100).decode()",
    "poll": "p = select.poll(); p.register(0, 1); p.poll(9000); l = sys.stdin.readline()",
}
SCRIPTS = {
    "perl": (PERL, """#!/usr/bin/env perl
my $random = rand();
END { $? = 7 }
%s
chomp $l;
my @left = grep { /PRELOAD|PARK/ } keys %%ENV;
print "pid=$$ line=$l ip=$ENV{TCPREMOTEIP} port=$ENV{REMOTE_PORT} random=", rand(), " left=0@left\n";
"""),
    "python3": (PYTHON, """#!/usr/bin/env python3
import os, random, select, socket, sys
random.random()
%s
left = [k for k in os.environ if "PRELOAD" in k or "PARK" in k]
print("pid=%%d line=%%s ip=%%s port=%%s random=%%s left=%%d" %% (os.getpid(), l.strip(),
      os.environ["TCPREMOTEIP"], os.environ["REMOTE_PORT"], random.random(), len(left)), flush=True)
sys.exit(7)
"""),
}


SECTION = """[service:%s]
command = %s
mode = inetd
park = first-read
workers = 1
listen = 127.0.0.1:%d
environment = PATH=%s:%s
log_connections = yes
"""


def is_told(program):
    ways, script = SCRIPTS[program]
    if not shutil.which(program):
        skip("no %s here" % program)
    ports = {how: free_port() for how in ways}
    for how in ways:
        write_file(how.replace(" ", "-"), script % ways[how], 0o755)
    broker = Broker(text="".join(
        SECTION % (how.replace(" ", "-"), tap.tmp(how.replace(" ", "-")), ports[how],
                   os.path.dirname(os.path.realpath(sys.executable)), os.environ["PATH"]) for how in ways))
    for how in ways:
        makes_right(how, ports[how])
    assert {e["how"] for e in ends(broker, 3 * len(ways))} == {"exit 7"}


def makes_right(how, port):
    randoms = set()
    for _ in range(3):
        with connect(port) as client:
            name = client.getsockname()
            client.sendall(b"hello\n")
            client.shutdown(socket.SHUT_WR)
            text = client.makefile().read()
        answer = dict(re.findall(r"(\w+)=(\S+)", text))
        assert text.count("pid=") == 1 and answer["line"] == "hello", (how, text)
        assert (answer["ip"], answer["port"], answer["left"]) == (name[0], str(name[1]), "0"), (how, text)
        randoms.add(answer["random"])
    assert len(randoms) == 3, (how, randoms)


for name in SCRIPTS:
    add_test("what %s has copied is made right" % name, lambda n=name: is_told(n))


@test
def a_shell_leaves_what_it_has_not_read_to_what_it_starts():
    if not shutil.which("bash"):
        skip("no bash here")
    with open(tap.tmp("script"), "w") as f:
        f.write("read l; m=$(head -n1); echo $l $m\n")
    broker = service(["bash", tap.tmp("script")], workers=1, park="first-read")
    with connect(broker.port) as client:
        client.sendall(b"one\ntwo\n")
        assert client.recv(100) == b"one two\n"


@test
def a_program_whose_first_read_is_not_seen_is_told_to_be_parked_before_main():
    broker = service(["{apps}/inetd_first", "stdio"], workers=1, park="first-read", wait_ready=False)
    wait_until(lambda: "it needs park = main" in str(broker.events("output")))
    broker = service(["sh", "-c", "exit 3"], workers=1, park="first-read", wait_ready=False)
    assert "it needs park = main" in broker.wait_event("worker-exit")["message"]


@test
def an_interpreter_is_parked_at_its_first_read():
    scripts = {
        "perl": """$n = rand(); $l = <STDIN>; print "pid=$$ line=$l";""",
        "python3": """import os, sys
l = sys.stdin.readline()
print("pid=%d line=%s" % (os.getpid(), l), end="")""",
        "sh": "w=$(echo line); read l; echo pid=$$ $w=$l",
    }
    for program, script in scripts.items():
        if not shutil.which(program):
            continue
        file = tap.tmp(program)
        with open(file, "w") as f:
            f.write(script + "\n")
        for park in ("first-read", "main", "exec"):
            broker = service([program, file], workers=1, park=park)
            answers = [ask(broker.port) for _ in range(12)]
            assert {a["line"] for a in answers} == {"hello"}, (program, park, answers)
            # A shell has its own number from when it began: $$ is the zygote's.
            assert len({a["pid"] for a in answers}) == (
                1 if (program, park) == ("sh", "first-read") else 12), (program, park)
            broker.stop()


main()

#!/usr/bin/env python3
"""Completions of brokerctl, asked of the shells themselves, and compared with its own table."""

import os
import shutil
import subprocess

from harness import *
from lib.ctl import *
from lib.terminal import Terminal

NAMES = {"status": [
    broker_line(), service_line(), worker_line("web.0"), worker_line("web.0", generation=2),
    worker_line("web.1"), service_line("api"), worker_line("api.0"),
]}


def script(shell):
    """The completion of `shell`, in a file; the broker that it asks is a fake."""
    if not shutil.which(shell):
        skip("no %s here" % shell)
    got = ctl("completion", shell)
    assert got.returncode == 0 and got.stdout, got
    return write_file("completion." + shell, got.stdout)


def shell_environment():
    return environment({"BROKER_CONTROL": tmp("control"), "HOME": tmp(),
                        "PATH": os.path.dirname(BROKERCTL) + ":" + os.environ["PATH"]})


def run_shell(*command):
    got = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, timeout=30, cwd=tmp(),
                         env=shell_environment())
    assert got.returncode == 0 and not got.stderr, got
    return sorted(got.stdout.split())


def commands():
    """By its own help; the first words, as completion gives them one by one."""
    text = ctl("help").stdout
    return sorted({line.split()[0] for line in text.splitlines()
                   if line.startswith("  ") and line[2].isalpha()})


# What is typed (the last word is the one to complete), and what must come.
CASES = [
    ("", None),
    ("re", ["release", "reload", "restart"]),
    ("reload ", ["abort", "api", "web"]),
    ("reload w", ["web"]),
    ("reload abort ", ["api", "web"]),
    ("reload abort web ", []),
    ("status ", ["api", "api.0", "web", "web.0", "web.1"]),
    ("status web.", ["web.0", "web.1"]),
    ("hold ", ["api.0", "web.0", "web.1"]),
    ("hold web.0 ", []),
    ("scale ", ["api", "web"]),
    ("scale web ", []),
    ("signal web.0 U", ["USR1", "USR2"]),
    ("pin 10.0.0.0/8 ", ["api.0", "web.0", "web.1"]),
    ("pin --for 10m 10.0.0.0/8 w", ["web.0", "web.1"]),
    ("unpin a", ["all", "api.0"]),
    ("debug --from 127.0.0.1 w", ["web.0", "web.1"]),
    ("completion ", ["bash", "fish", "zsh"]),
    ("help ho", ["hold"]),
    ("-s %s/control hold w", ["web.0", "web.1"]),
    ("-s /nowhere hold ", []),
    ("events --s", ["--since"]),
    ("reload --", ["--accept-fewer-ports", "--help", "--json", "--no-wait", "--plan"]),
    ("events -", ["--follow", "--help", "--json", "--since", "-f"]),
    ("events --since 10m --f", ["--follow"]),
    ("-", ["--color", "--help", "--json", "--version", "-c", "-s"]),
    ("--color a", ["always", "auto"]),
    ("nothing ", []),
    ("help reload ", []),
    ("jo", []),
    ("compl", ["completion"]),
]


def expected(line, want):
    return commands() if want is None else want


@test
def bash_completes():
    path = script("bash")
    fake_control(NAMES)
    for line, want in CASES:
        line = line.replace("%s", tmp())
        words = ["brokerctl"] + line.split(" ")
        got = run_shell(
            "bash", "--norc", "-c",
            'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            "compopt() { :; }; _brokerctl; printf '%s\\n' \"${COMPREPLY[@]}\"",
            "bash", path, *words)
        assert got == expected(line, want), (line, got)
    # Files and programs are the shell's own to know.
    write_file("some.ini", "")
    compopt = "compopt() { :; }; "
    for words, want in ((["-c", "some"], "some.ini"), (["debug", "web.0", "--", "bas"], "bash")):
        got = run_shell("bash", "--norc", "-c",
                        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); ' + compopt +
                        "_brokerctl; printf '%s\\n' \"${COMPREPLY[@]}\"",
                        "bash", path, "brokerctl", *words)
        assert want in got, (words, got)


@test
def bash_completes_at_a_prompt():
    path = script("bash")
    fake_control(NAMES)
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], columns=100,
                        env=dict(shell_environment(), TERM="dumb", PS1="$ ", INPUTRC="/dev/null"))
    terminal.type("bind 'set enable-bracketed-paste off' 'set bell-style none'; source %s; echo rea''dy\n" % path)
    # Before its prompt the terminal would echo the tab itself.
    terminal.wait_for(lambda screen: [line for line in screen.lines() if line][-2:] == ["ready", "$"])
    terminal.type("brokerctl hold ap\t")
    terminal.wait_for("brokerctl hold api.0")
    terminal.type("\x15exit\n")
    terminal.wait_exit()


@test
def fish_completes():
    path = script("fish")
    fake_control(NAMES)
    def complete(line):
        got = subprocess.run(
            ["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", path,
             "brokerctl " + line],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=30, cwd=tmp(), env=shell_environment())
        assert got.returncode == 0 and not got.stderr, (line, got)
        return [row.split("\t") for row in got.stdout.splitlines()]

    for line, want in CASES:
        line = line.replace("%s", tmp())
        found = sorted({row[0] for row in complete(line)})
        assert found == expected(line, want), (line, found)
    write_file("some.ini", "")
    for line, want in (("-c so", "some.ini"), ("debug web.0 -- bas", "bash")):
        found = [row[0] for row in complete(line)]
        assert want in found, (line, found)
    # With the words of the table, where it has some.
    for line in ("hold", "reload --pl"):
        (row,) = complete(line)
        assert len(row) == 2 and " ".join(row[1].split()) in " ".join(
            ctl("help", line.split()[0]).stdout.split()), row


@test
def zsh_completes():
    path = script("zsh")
    fake_control(NAMES)
    for line, want in CASES:
        line = line.replace("%s", tmp())
        # compadd outside of the editor does nothing, so that it is replaced by what prints.
        got = run_shell(
            "zsh", "-f", "-c",
            'compdef() { :; }; compadd() { shift; print -rl -- ${(P)1}; }; source $1; shift; '
            "words=(\"$@\"); CURRENT=$#; _brokerctl",
            "zsh", path, *(["brokerctl"] + line.split(" ")))
        last = line.split(" ")[-1]
        assert [w for w in got if w.startswith(last)] == expected(line, want), (line, got)


main()

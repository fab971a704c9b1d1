#!/usr/bin/env python3
"""Users and groups, with a name service that is slow, hangs, changes its mind or crashes: nobody waits for it."""

import grp
import os
import pwd
import shutil
import signal
import subprocess
import threading

from harness import *
from lib.control import Control, ask, refusal, status
from lib.ctl import ctl

# What a slow module of the name service is to whoever asks it. In the directory $NAMES: `asked` gets
# a line for each question, which is not answered while there is a `slow`, or a file with the name of
# the function; `uid` is the number of all users, and with a `crash` the module has a bug.
SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static FILE *in(const char *name, const char *mode)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", getenv("NAMES"), name);
	return fopen(path, mode);
}
static int there(const char *name)
{
	FILE *f = in(name, "r");
	if (f)
		fclose(f);
	return f != NULL;
}
static void asked(const char *function, const char *name)
{
	FILE *f = in("asked", "a");
	if (f) {
		fprintf(f, "%d %s %s\n", (int)getpid(), function, name);
		fclose(f);
	}
	if (there("crash"))
		abort();
	while (there("slow") || there(function))
		usleep(5000);
}
static struct passwd *changed(struct passwd *pw)
{
	FILE *f = in("uid", "r");
	if (f && pw && fscanf(f, "%u", &pw->pw_uid) != 1)
		abort();
	if (f)
		fclose(f);
	return pw;
}
#define NEXT(f) ((__typeof__(&f))dlsym(RTLD_NEXT, #f))
struct passwd *getpwnam(const char *name)
{
	asked("getpwnam", name);
	return changed(NEXT(getpwnam)(name));
}
struct passwd *getpwuid(uid_t uid)
{
	asked("getpwuid", "");
	return NEXT(getpwuid)(uid);
}
struct group *getgrnam(const char *name)
{
	asked("getgrnam", name);
	return NEXT(getgrnam)(name);
}
int getgrouplist(const char *user, gid_t group, gid_t *groups, int *n)
{
	asked("getgrouplist", user);
	return NEXT(getgrouplist)(user, group, groups, n);
}
"""
USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
LIMIT = 20


class Names:
    """The name service of one broker."""

    def __init__(self, name="names"):
        cc = shutil.which("cc") or skip("no compiler here")
        self.dir = tmp(name)
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o777)
        library = tmp(name + ".so")
        subprocess.run([cc, "-shared", "-fPIC", "-w", "-o", library, write_file("slow.c", SOURCE), "-ldl"], check=True)
        self.env = {"LD_PRELOAD": library, "NAMES": self.dir, "ASAN_OPTIONS": "verify_asan_link_order=0"}
        at_end(lambda: [self.is_not(word) for word in ("slow", "getgrnam")])

    def broker(self, command=None, **keys):
        broker = Broker(command or app("srv_poll"), env=self.env, **dict({"workers": 2, "user": USER}, **keys))
        if not self.asked() and keys.get("user") == USER:
            skip("this broker asks no name service that could be replaced: it is static")
        return broker

    def is_(self, word, text=""):
        with open(os.path.join(self.dir, word), "w") as f:
            f.write(text)

    def hang_in_a_reload(self, broker):
        """A reload waits for its look-up, until the module is not "slow". What was asked before."""
        n = len(self.asked())
        self.is_("slow")
        broker.hup()
        self.wait_asked(n + 1)
        return n

    def is_not(self, word):
        if os.path.exists(os.path.join(self.dir, word)):
            os.unlink(os.path.join(self.dir, word))

    def asked(self):
        """[(pid, function, name)] so far."""
        path = os.path.join(self.dir, "asked")
        if not os.path.exists(path):
            return []
        with open(path) as f:
            return [(int(pid), *words) for pid, *words in (line.split() for line in f)]

    def wait_asked(self, n):
        """The process that asks, once it has asked the `n`-th question."""
        wait_until(lambda: len(self.asked()) >= n, 20, "question %d" % n)
        return self.asked()[n - 1][0]


def reloads(broker):
    return len(broker.events("reload-done", service="web"))


@test
def clients_are_served_and_requests_answered_while_a_reload_looks_users_up():
    names = Names()
    broker = names.broker()
    n = len(names.asked())
    assert n and broker.pid not in [pid for pid, *_ in names.asked()]
    load = Load(broker.port)
    names.is_("slow")
    broker.hup()
    assert names.wait_asked(n + 1) != broker.pid
    load.wait_answers(1000)
    with Control(broker) as waits, Control(broker) as plans:
        waits.send("reload")
        plans.send("reload --plan")
        assert [w["state"] for w in status(broker, "web.0")] == ["ready"]
        load.wait_answers(1000)
        assert not broker.events("reload-begin") and len(names.asked()) == n + 1
        names.is_not("slow")
        assert waits.answer()[-1]["type"] == "end" and plans.answer()[-1]["type"] == "end"
    load.assert_clean()
    assert len(names.asked()) == 3 * n, "once for all who ask meanwhile: %s" % names.asked()
    note("the longest turn of the loop took %d ms" % status(broker)[0]["longest_turn_ms"])


@test
def a_look_up_that_takes_long_is_said_once():
    names = Names()
    broker = names.broker()
    names.hang_in_a_reload(broker)
    said = broker.wait_event("look-up", kind="user", name=USER)["message"]
    assert "the reload waits" in said, said
    names.is_not("slow")
    broker.wait_event("reload-done", service="web")
    broker.reload_and_wait()
    assert len(broker.events("look-up")) == 1, broker.events("look-up")


@test
def any_number_of_signals_while_users_are_looked_up_are_one_reload_more():
    names = Names()
    broker = names.broker()
    n = names.hang_in_a_reload(broker)
    for _ in range(5):
        broker.hup()
        broker.settle()
    names.is_not("slow")
    wait_until(lambda: reloads(broker) == 2, 30, "the reload of the others")
    assert len(names.asked()) == 3 * n, names.asked()


@test
def whoever_gets_no_answer_is_told_for_what_and_what_to_do():
    names, at_start = Names(), Names("at_start")
    group = grp.getgrgid(os.getegid()).gr_name
    broker = names.broker(group=group)
    at_start.is_("slow")
    starts = []
    beside = threading.Thread(
        target=lambda: starts.append(broker_cli("-c", broker.file, env=at_start.env, timeout=60)))
    beside.start()
    n = len(names.asked())
    names.is_("getgrnam")
    broker.hup()
    asking = [names.wait_asked(n), at_start.wait_asked(1)]
    told = broker.wait_event("reload-refused", timeout=2 * LIMIT)["message"]
    for words in ('group "%s": the name service has not answered for %d s; see getent group %s. ' % (group, LIMIT, group),
                  "use numbers for both user and group", "the old configuration stays in force"):
        assert words in told, (words, told)
    beside.join()
    assert starts[0].returncode == 3, starts[0]
    words = 'user "%s": the name service has not answered for %d s; see getent passwd %s. ' % (USER, LIMIT, USER)
    assert words in starts[0].stderr, starts[0]
    wait_until(lambda: not any(proc.alive(pid) for pid in asking), 10, "the end of those that asked")
    assert http_get(broker.port).status == 200
    names.is_not("getgrnam")
    broker.reload_and_wait()


@test
def a_worker_that_starts_asks_nobody():
    names = Names()
    broker = names.broker()
    names.is_("slow")
    n, mark = len(names.asked()), broker.mark()
    send_signal(broker.worker_pid("web.0"), signal.SIGKILL)
    broker.wait_event("worker-ready", since=mark, worker="web.0")
    ask(broker, "scale web 3")
    broker.wait_event("worker-ready", since=mark, worker="web.2")
    assert len(names.asked()) == n, names.asked()[n:]


@test
def the_end_of_the_broker_waits_for_no_answer():
    names = Names()
    broker = names.broker()
    names.is_("slow")
    n = len(names.asked())
    broker.hup()
    asking = names.wait_asked(n + 1)
    with Control(broker) as waits:
        waits.send("reload")
        wait_until(lambda: len(status(broker)) and proc.alive(asking))
        broker.stop()
        assert "the broker is stopping" in waits.answer()[-1]["message"]
    wait_until(lambda: not proc.alive(asking), 10, "the end of the process that asked")
    assert not broker.log.find(["reload-begin", "reload-refused"])


@test
def a_client_that_leaves_before_its_reload_has_begun_has_none():
    names = Names()
    broker = names.broker()
    names.is_("slow")
    n = len(names.asked())
    with Control(broker) as leaves:
        leaves.send("reload")
        names.wait_asked(n + 1)
    for _ in range(2):
        status(broker)  # by then it is seen
    names.is_not("slow")
    broker.reload_and_wait()
    assert reloads(broker) == 1


def uid_of(broker, worker, since):
    return os.stat("/proc/%d" % broker.wait_event("worker-ready", since=since, worker=worker)["pid"]).st_uid


@test
def what_a_user_is_belongs_to_the_configuration():
    if os.geteuid() != 0:
        skip("root only")
    names = Names()
    broker = names.broker()
    nobody, other = pwd.getpwnam("nobody").pw_uid, 12345

    def of_the_next(worker="web.0"):
        mark = broker.mark()
        send_signal(broker.worker_pid(worker), signal.SIGKILL)
        return uid_of(broker, worker, mark)

    names.is_("uid", str(other))
    assert of_the_next() == nobody, "as before, until a reload"
    broker.configure(["false"], workers=2, user=USER)
    broker.reload_and_wait(want="reload-aborted")
    assert of_the_next() == nobody, "what was aborted has changed nothing"
    broker.configure(app("srv_poll"), workers=2, user=USER)
    mark = broker.mark()
    broker.reload_and_wait()
    assert uid_of(broker, "web.0", mark) == other
    names.is_not("uid")
    assert of_the_next() == other
    broker.reload_and_wait()
    assert of_the_next() == nobody


@test
def a_user_that_is_new_in_the_file_is_looked_up_before_it_is_read():
    names = Names()
    broker = names.broker(user=os.geteuid(), group=os.getegid())
    broker.configure(app("srv_poll"), workers=2, user="no-such-user")
    assert 'no user "no-such-user"' in broker.reload_and_wait(want="reload-refused")["message"]
    assert 'no user "no-such-user"' in refusal(broker, "reload --plan")["message"]
    broker.configure(app("srv_poll"), workers=2, user=USER, broker={"control_group": "no-such-group"})
    broker.reload_and_wait()
    assert ("getgrnam", "no-such-group") in [words[1:] for words in names.asked() if len(words) == 3]


@test
def a_file_that_changes_meanwhile_is_not_taken_with_users_that_nobody_has_looked_up():
    if os.geteuid() != 0:
        skip("root only")
    names = Names()
    broker = names.broker()
    n = names.hang_in_a_reload(broker)
    broker.configure(app("srv_poll"), workers=2, user="daemon")
    mark = broker.mark()
    names.is_not("slow")
    told = broker.wait_event("reload-refused", since=mark)["message"]
    assert 'user "daemon" was not looked up: the file did not have it then; reload again' in told, told
    broker.reload_and_wait()
    assert uid_of(broker, "web.0", mark) == pwd.getpwnam("daemon").pw_uid


@test
def a_process_that_cannot_be_started_is_the_end_of_the_reload_only():
    names = Names()
    os.mkdir(tmp("bin"))
    for part in ("broker", "worker-shim", "libworker-shim.so"):
        shutil.copy(os.path.join(BUILD, part), tmp("bin"))
    broker = names.broker(program=tmp("bin", "broker"))
    os.chmod(tmp("bin", "broker"), 0o600)
    told = broker.reload_and_wait(want="reload-refused")["message"]
    assert "cannot execute /proc/self/fd/0: Permission denied" in told, told
    os.chmod(tmp("bin", "broker"), 0o700)
    os.rename(tmp("bin", "broker"), tmp("bin", "removed"))
    os.unlink(tmp("bin", "removed"))
    broker.reload_and_wait()  # by the program that runs, whatever is in its place now


@test
def numbers_for_both_are_taken_as_they_are():
    names = Names()
    names.is_("slow")
    broker = names.broker(user=os.geteuid(), group=os.getegid())
    broker.reload_and_wait()
    assert not names.asked(), names.asked()


@test
def a_name_service_that_crashes_takes_nobody_with_it():
    names = Names()
    broker = names.broker()
    names.is_("crash")
    told = broker.reload_and_wait(want="reload-refused")["message"]
    assert 'user "%s": the process that asks the name service has ended' % USER in told, told
    got = ctl("-c", broker.file, "reload")
    assert got.returncode != 0 and told.split(";")[0] in got.stderr + got.stdout, got
    names.is_not("crash")
    broker.reload_and_wait()


main()

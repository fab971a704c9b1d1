/*
 * starter - the broker's side of its parent process (parent.h), which starts, reaps and, where the
 * broker itself may not, signals what the broker asks it to.
 *
 * A program without such a parent (brokerctl) starts its processes itself. There is one for the
 * whole process, so what is known of it stands in one place, as that of the log.
 */
#pragma once

#include "sys/loop.h"
#include "sys/proc.h"
#include "sys/starter_wire.h"

/* This process is a broker, and process @parent has the other end of @sock, which is ours. */
void starter_use(int sock, pid_t parent);

/* The same, when this program was executed by another that has saved it; or is only a @trial. */
struct kept_run;
void starter_save(struct kept_run *ret);
void starter_adopt(const struct kept_run *kept, bool trial);

/* Whether all that the parent has said was told: nothing gets lost by executing another program. */
bool starter_is_idle(void);

/* The process that people know as the broker: our parent, or without one ourselves. */
pid_t starter_pid(void);

/* Whether processes of users other than ours can be started. */
bool starter_changes_user(void);

struct starter_events {
	/* A process that was started, or left to the parent, has ended, stopped or goes on. */
	void (*changed)(struct starter_events *events, pid_t pid, int status);
	/* The parent has ended. Nothing can be started any more, and no end is told. */
	void (*gone)(struct starter_events *events);
};

/* What the parent reports goes to @events from now on, from a turn of @loop. 0 or -errno. */
int starter_listen(struct loop *loop, struct starter_events *events);
void starter_close(void);

/*
 * Starts @req, as spawn_worker(). The parent has two seconds to answer; if it has not, nothing is
 * started until it does. 0 or -errno with @error.
 */
int starter_start(const struct spawn_request *req, pid_t *ret_pid, int *ret_status_fd,
		  struct strbuf *error);

/*
 * Starts @req and waits for its end: *@ret_text is what came out of its status pipe, at most @size
 * - 1 bytes, terminated, *@ret_status as waitpid(2) gives it. 0; -ETIMEDOUT: nothing came for
 * @limit_ms, and it was killed; -errno with @error: it was not started.
 */
int starter_ask(const struct spawn_request *req, int limit_ms, char *ret_text, size_t size,
		int *ret_status, struct strbuf *error);

/* Signals process @pid, above 1, or the group that it leads. 0 or -errno. */
int starter_kill(pid_t pid, bool group, int sig);

/*
 * If the broker is killed, process @pid gets @drain_ms from then on, then @sig, then SIGKILL after
 * @stop_ms; what it writes into the other end of @output_fd (-1: none) is read and dropped. Never
 * waits. 0 or -errno: it will be told at once.
 */
int starter_keep(pid_t pid, int sig, int64_t drain_ms, int64_t stop_ms, int output_fd);

/*
 * From now on, once, the parent starts no process that is none of @rights, and has no more rights
 * itself than that takes. For a broker that is about to become another user. 0 or -errno with
 * @error.
 */
int starter_limit(const struct starter_rights *rights, struct strbuf *error);

/* Brings the parent to the directory that we are in. 0 or -errno. */
int starter_enter(void);

/*
 * The broker has died, and this process is its shadow: it is the broker now, with the state that
 * has @k; or (@resumes) an upgrade has not gone on. 0, also if the parent does not answer;
 * -EPERM: nobody is to go on, as the broker has ended in order or is to.
 */
int starter_succeed(const struct kept_run *k, bool resumes);

/*
 * Sends @text and @fd (-1: none) to the service manager, through our parent, without waiting for
 * the manager. Before, with NULL for @text, @fd is the socket to it. 0 or -errno.
 */
int starter_notify(const char *text, int fd);

/* Adds the processes that were left to the parent, and those it has started, to @ret. 0 or -errno.
 */
int starter_children(struct pid_set *ret);

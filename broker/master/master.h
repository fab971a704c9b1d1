/*
 * master - all services together: the configuration that they come from, its reload, and their end.
 */
#pragma once

#include "config/conf_plan.h"
#include "core/broker.h"
#include "master/names.h"
#include "service/move.h"
#include "sys/rundir.h"

/* The part of the broker above the services that a reload changes, too: its own web server. */
struct reload_part {
	/*
	 * Opens what @bc wants and @old (NULL: nothing) does not have. 0: end() comes next. -errno
	 * with @error, and nothing is open.
	 */
	int (*prepare)(struct reload_part *p, const struct broker_conf *old,
		       const struct broker_conf *bc, struct strbuf *error);
	/* @bc is in force now, or (not @good) it is given up. */
	void (*end)(struct reload_part *p, const struct broker_conf *bc, bool good);
};

struct master {
	KEPT(kept_master);
	struct broker broker;
	struct conf *conf;	 /* as read last; what a service runs on is service::conf */
	struct conf *conf_start; /* as read first: its [broker] options that take a restart hold */
	const char *config_file; /* NULL: the configuration came from the command line */
	const char *entered; /* the link through which the broker came to its directory, or NULL */
	bool trusting;	     /* whoever may write the file: --no-strict-modes */
	int verbosity;	     /* -1 quiet, 0, 1 verbose */
	struct user_info heir; /* as [broker] user says; .ids.change: it will be */
	struct rundir rundir;
	struct reload_part *part;
	struct names names;
	struct mover mover;
	struct names_waiter hangup; /* SIGHUP */
	bool hangs_up_again;	    /* another one came while it waits */
	int64_t stop_asked_ms;	    /* when the end was asked for first */
};

/* Once there is a loop. */
void master_init(struct master *m);

/*
 * Ends the broker: @drain first, or telling all workers to end at once. While it is ending already:
 * kills all workers and ends now. @signo is the signal that asked for it; 0: a person did. A signal
 * within a second of the first request is part of that.
 */
void master_stop(struct master *m, bool drain, int signo);

/* Adds what outlives the broker: keep.c. No system call; for want of memory @out has failed. */
void master_keep(const struct master *m, struct strbuf *out);

/*
 * Makes the services of m->conf and opens their listeners, without starting a worker. 0 or
 * -errno with @error.
 */
int master_open_services(struct master *m, struct strbuf *error);

void master_hang_up(struct master *m); /* SIGHUP: master_reload(), once names_want() is over */

/*
 * Reads the file again and applies the difference. @named and @why are what names_want() has come
 * to: -errno refuses the reload. Without a file all workers are replaced. @only_service: the file
 * must be right as a whole, but only its section is applied, and only its workers are replaced;
 * NULL: all. Returns when that has begun. 0; -errno with @error (of CONF_ERROR_BYTES), and nothing
 * is changed; it has been logged, unless the broker is stopping.
 */
int master_reload(struct master *m, const char *only_service, int named, const char *why,
		  struct strbuf *error);

/*
 * Tells what master_reload() would do, and changes nothing. 0; -errno with @error: what it would
 * be refused for, as far as that can be seen without opening a listener. Debuggers are those that
 * the last survey has found. After names_want(), too.
 */
int master_plan(struct master *m, const char *only_service, conf_plan_fn *fn, void *arg,
		struct strbuf *error);

/*
 * systemd - what the service manager that has started the broker is told: that it is ready, reloads
 * or ends, how it is (as `brokerctl status` says it), and that its loop turns.
 */
#pragma once

#include "master/master.h"

struct systemd {
	struct observer observer;
	struct master *master;
	struct loop_timer tick; /* something may have changed, or did not go out */
	struct loop_timer watchdog;
	int64_t watchdog_ms;
	enum { TOLD_NOTHING, TOLD_READY, TOLD_RELOADING, TOLD_STOPPING } told;
	char owed[128];	   /* must not be lost, and has not gone out yet */
	char status[1024]; /* as told last */
	int64_t status_ms; /* when that was */
};

/* Before there is a second process: the environment names this one. */
void systemd_init(struct systemd *sd, struct master *m);

/*
 * Logs which sockets the broker was given and nobody has a use for. @end: nobody will have one;
 * what is in the store for them leaves it.
 */
void systemd_report_unused(bool end);

/* Something may have changed that no observer is told of. */
void systemd_changed(struct systemd *sd);

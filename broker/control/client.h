/*
 * client - one who is connected to the control socket, and what the files of control_*.c share.
 */
#ifndef BROKER_CONTROL_CLIENT_H
#define BROKER_CONTROL_CLIENT_H

#include <sys/socket.h>
#include "control/control.h"
#include "service/types.h"
#include "policy/command.h"
#include "base/words.h"
#include "sys/stream.h"

/* What a client waits for, or does beyond one request. */
enum client_state {
	CLIENT_IDLE,	/* nothing: the next request is read */
	CLIENT_SURVEY,	/* a survey, for its status or plan */
	CLIENT_FOLLOWS, /* events, until it leaves */
	CLIENT_ROLLS,	/* the end of a rollout */
	CLIENT_HOLDS,	/* nothing, but a worker is held until it leaves */
};

struct client {
	struct list link; /* control::clients */
	struct control *control;
	struct master *master;
	struct stream stream;
	struct ucred peer;
	bool may_steer;
	enum client_state state;
	bool working;		/* its requests are being worked off: no need to begin again */
	struct words words;	/* of the request being answered */
	struct request request; /* points into .words */
	struct survey_waiter survey;
	struct event_follower follower;
	uint64_t next_event;	       /* id */
	struct control_status *status; /* of control_status.c; owned */
	struct control_roll *roll;     /* of control_roll.c; owned */
	uint64_t debugged;	       /* CLIENT_HOLDS: worker::id; 0: none */
};

/* On the connection @fd, which is the client's from now on. NULL: no memory; @fd stays the
 * caller's. */
struct client *client_new(struct control *ctl, int fd);
void client_free(struct client *c); /* what it held is let go */

/* The last line of an answer is written: on with the next request. */
void client_answered(struct client *c);

/* The answer is complete: {"type":"end","ok":true}, and on with the next request. */
void client_end(struct client *c);

/* The same with something worth to know: {"type":"end","ok":true,"message":...}. */
void client_end_saying(struct client *c, const char *fmt, ...) PRINTF(2, 3);

/* The request has failed: {"type":"error",...} with one of the codes of docs/control.md. */
void client_error(struct client *c, const char *code, const char *fmt, ...) PRINTF(3, 4);

/*
 * The service or worker of that name. NULL: the client was told that there is none, and which
 * it may have meant. A worker is NAME, or NAME@GENERATION where an older one lives beside it.
 */
struct service *client_find_service(struct client *c, const char *name);
struct worker *client_find_worker(struct client *c, const char *name);

/* Answers of the kinds of command that belong to each file. */
void control_status(struct client *c);
void control_events(struct client *c);
void control_pins(struct client *c);
void control_config(struct client *c);
void control_help(struct client *c);
void control_reload(struct client *c);
void control_reload_abort(struct client *c);
void control_rollback(struct client *c);
void control_restart(struct client *c);
void control_scale(struct client *c);
void control_hold(struct client *c);
void control_release(struct client *c);
void control_stop_broker(struct client *c);
void control_signal(struct client *c);
void control_debug(struct client *c);
void control_pin(struct client *c);
void control_next(struct client *c);
void control_unpin(struct client *c);
void control_join(struct client *c);

void control_events_go_on(struct client *c); /* its output is written */

/* The client is leaving: what it held is let go. */
void control_let_go(struct client *c);

/* Told by control.c, which observes: to those who debug @w; to those who wait for @s. */
void control_tell_debugger(struct control *ctl, const struct worker *w, enum worker_state from,
			   enum worker_event ev);
void control_tell_rollers(struct control *ctl, const struct service *s, enum roll_phase phase,
			  const struct worker *w);

void control_roll_free(struct client *c);
void control_status_free(struct client *c);

#endif

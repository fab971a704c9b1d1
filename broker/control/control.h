/*
 * control - the socket at which the broker is asked and steered, and its clients: one request after
 * another, and their answers. docs/control.md is its contract.
 *
 * A client can neither slow the broker nor make it grow: requests are short, an answer is bounded
 * and goes out as the client reads it (sys/stream.c); before that no other request is read.
 *
 * An answer is any number of lines and ends with one call of client_end(), client_end_saying(),
 * client_error() or client_answered(). That call frees the client's task, unless the task lasts,
 * and the texts of the request.
 */
#pragma once

#include <sys/socket.h>
#include "base/json.h"
#include "base/words.h"
#include "master/master.h"
#include "policy/command.h"
#include "report/events.h"
#include "service/survey.h"
#include "sys/stream.h"

#define CONTROL_REQUEST_MAX 4096 /* bytes of a request, with its newline */
#define CONTROL_ANSWER_MAX  (8 << 20)

struct client;

/* Answers the request that is @line. */
typedef void client_answer_fn(struct client *c, const char *line);

struct control {
	struct master *master;
	struct events *events;
	struct survey *survey;
	client_answer_fn *answer;
	struct acceptor acceptor;
	struct list clients; /* client::link, oldest first */
	int fd;		     /* owned; -1: switched off */
	char *path;	     /* owned */
	gid_t group;	     /* may look; UNIX_NO_GROUP: nobody */
	/*
	 * Set by whoever can execute another program: @program, or (NULL) what the broker was
	 * started from. 0: control_upgraded() says what has come of it; -errno with @error.
	 */
	int (*upgrade)(struct control *ctl, const char *program, struct strbuf *error);
};

struct client {
	struct list link; /* control::clients */
	struct control *control;
	struct stream stream; /* .out is the answer, as far as it is not sent yet */
	struct ucred peer;
	bool wire;		/* it speaks handoff_wire.h: it joins, and has one answer */
	bool working;		/* go_on() is on the stack, and answers what comes next */
	char **words;		/* owned; of the request being answered */
	struct request request; /* points into .words */
	struct task *task;	/* owned; NULL: none, and the next request is read */
};

static inline struct broker *client_broker(const struct client *c)
{
	return &c->control->master->broker;
}

/* The first argument of its request; NULL: none was given. */
static inline const char *client_argument(const struct client *c)
{
	return c->request.arguments[0].text;
}

/* @fd is its connection from now on. NULL: no memory, or no epoll slot. */
struct client *client_new(struct control *ctl, int fd, const struct ucred *peer);
void client_go_on(struct client *c);	       /* with the next request, if it has one and may */
bool client_may_steer(const struct client *c); /* root and the user of the broker may */

/* --- the answer ---------------------------------------------------------------------------- */

/* Begins a line with {"type":@type. The caller adds the rest and calls json_end(). */
struct strbuf *client_line(struct client *c, const char *type);

/* Sends what the client takes now, the rest as it reads. True: it has taken all of it. */
bool client_flush(struct client *c);

/* The last line of the answer is written. */
void client_answered(struct client *c);

/* Writes the last line: {"type":"end","ok":true}, with a message for people or without. */
void client_end_saying(struct client *c, const char *fmt, ...) PRINTF(2, 3);

static inline void client_end(struct client *c)
{
	client_end_saying(c, "%s", "");
}

/* Writes {"type":"error",...} as the last line; @code is one of those in docs/control.md. */
void client_error(struct client *c, const char *code, const char *fmt, ...) PRINTF(3, 4);

/* --- its task -------------------------------------------------------------------------------- */

/*
 * What a client is in the middle of: a status that waits for the survey, events that it follows, a
 * reload that it waits for, a worker that it debugs. It has one at a time and owns it, and reads no
 * further request meanwhile. The task ends with the answer, unless it lasts.
 */
struct task;

/* Any may be NULL. What has a waiter or an observer as argument finds its task around it. */
struct task_ops {
	bool lasts; /* beyond the answer, until the client closes its side of the connection */
	/* client_begin() asks for a survey, or for the names in the file: */
	void (*surveyed)(struct survey_waiter *waiter);
	void (*named)(struct names_waiter *waiter, int named, const char *why);
	void (*ticked)(struct loop_timer *timer);
	void (*events_added)(struct event_follower *follower);
	void (*worker)(struct observer *o, const struct worker *w, enum worker_state from,
		       enum worker_event ev);
	void (*rollout)(struct observer *o, const struct service *s, enum roll_phase phase,
			const struct worker *w);
	void (*drained)(struct task *t);     /* the client has read all: write more */
	void (*broker_ends)(struct task *t); /* no worker is left: end the answer */
	void (*drop)(struct task *t); /* the answer is over, or the client has left; it is freed */
	/* Adds a record: another program goes on with it. NULL: its end is waited for. */
	void (*keep)(struct task *t, struct strbuf *out);
};

/* In front of what else there is of it. */
struct task {
	const struct task_ops *ops;
	struct client *client;
	struct survey_waiter survey;
	struct names_waiter names;
	struct loop_timer tick;
	struct event_follower follower;
	struct observer observer;
};

/*
 * A task of @size bytes, zero behind its head, in place of what @c was in the middle of. NULL:
 * there is no memory, and the client has been told. With .named it may be over at once.
 */
void *client_begin(struct client *c, size_t size, const struct task_ops *ops);

/* --- the socket ------------------------------------------------------------------------------ */

void control_init(struct control *ctl, struct master *m, struct events *events,
		  struct survey *survey, client_answer_fn *answer);

/* Opens the socket. 0 or -errno with @error. control = off: nothing, and 0. */
int control_open(struct control *ctl, struct strbuf *error);
/* The same with the socket of another program, -1: it has none. 0 or -ENOMEM. */
int control_adopt_socket(struct control *ctl, int fd, gid_t group);
int control_start(struct control *ctl); /* begins to accept. 0 or -errno */

/*
 * Opens it again if its file was removed, or (@anew) its directory was, and is locked once more.
 * Its path is added to @made then. As control_open().
 */
int control_restore(struct control *ctl, bool anew, struct strbuf *made, struct strbuf *error);
void control_stop(struct control *ctl);

/* --- names.c: the services and workers that a request names ---------------------------------- */

/*
 * The service or worker of that name. NULL: there is none, and the client was told which it may
 * have meant. A worker is NAME, or NAME@GENERATION where an older one lives beside it.
 */
struct service *client_find_service(struct client *c, const char *name);
struct worker *client_find_worker(struct client *c, const char *name);

/*
 * The service that has a slot of the name "web.3", and the number of the slot, which may have no
 * worker now. NULL: there is none, and nobody was told.
 */
struct service *client_find_slot(const struct client *c, const char *name, unsigned *ret_slot);

/* The one of @best (NULL: none so far) and @other that may have been meant by @name, or NULL. */
const char *names_nearer(const char *name, const char *best, const char *other);

/* --- the commands ---------------------------------------------------------------------------- */

/*
 * commands.c: reads the request that is @line and answers it, if @c has the right to make it. Every
 * request that changes something is logged with its sender.
 */
void commands_answer(struct client *c, const char *line);

/* show.c: what the broker does, what happens, and the configuration in force. Changes nothing. */
void control_status(struct client *c);
void control_events(struct client *c);
void control_config(struct client *c);
void control_pins(struct client *c);

/* roll.c: replaces workers, and reports every step. */
void control_reload(struct client *c, struct service *only); /* NULL: all */
void control_start_service(struct client *c, struct service *s);
void control_restart(struct client *c, struct worker *w);

/* debug.c: a worker is held for as long as the connection of the client lasts. */
void control_debug(struct client *c, struct worker *w);

/* steer.c: what changes something at once. */
void control_hold(struct client *c, struct worker *w);
void control_release(struct client *c, struct worker *w);
void control_signal(struct client *c, struct worker *w);
void control_pause(struct client *c, struct service *s);
void control_join(struct client *c, struct service *s); /* the client becomes a guest */
void control_scale(struct client *c, struct service *s);
void control_pin(struct client *c, struct worker *w);
void control_next(struct client *c, struct worker *w);
void control_unpin(struct client *c);
void hold_end(struct client *c, const struct worker *w); /* warns if @w was last in the round */
/* 0 and what was done in @words, or -errno and why not. */
int control_reload_abort(struct service *s, struct strbuf *words);
int control_rollback(struct service *s, struct strbuf *words);

/* The client hears of it, as all that wait for it, from the program that goes on. */
void control_upgrade(struct client *c);
void control_upgraded(struct control *ctl, bool good, const char *words);

/* stop.c. NULL: the broker, whose end is waited for. */
void control_end(struct client *c, struct service *s);

/* Go on with what was kept of a task: 0; -ENOMEM, -EPROTO. */
int events_resume(struct client *c, uint64_t next);
int roll_resume(struct client *c, const char *text, size_t size);
int session_resume(struct client *c, const char *text, size_t size);
int upgrade_resume(struct client *c);

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
void client_end(struct client *c);
void client_end_saying(struct client *c, const char *fmt, ...) PRINTF(2, 3);

/* Writes {"type":"error",...} as the last line; @code is one of those in docs/control.md. */
void client_error(struct client *c, const char *code, const char *fmt, ...) PRINTF(3, 4);

/* --- its task -------------------------------------------------------------------------------- */

/*
 * What a client is in the middle of: a status that waits for the survey, events that it follows, a
 * reload that it waits for, a worker that it debugs. It has one at a time and owns it, and reads no
 * further request meanwhile. The task ends with the answer, unless it lasts.
 */
struct task;

struct task_ops {
	bool lasts; /* beyond the answer, until the client closes its side of the connection */
	void (*surveyed)(struct task *t);    /* client_begin() asks for a survey; NULL: for none */
	void (*drained)(struct task *t);     /* the client has read all: write more. May be NULL */
	void (*broker_ends)(struct task *t); /* no worker is left: end the answer. May be NULL */
	/* The answer is over, or the client has left: free it. NULL: that is free(3). */
	void (*drop)(struct task *t);
	/* Adds a record: another program goes on with it. NULL: its end is waited for. */
	void (*keep)(struct task *t, struct strbuf *out);
};

struct task {
	const struct task_ops *ops;
	struct client *client;
	struct survey_waiter survey;
};

/* Memory for a task, all zero. NULL: there is none, and the client has been told. */
void *client_alloc(struct client *c, size_t size);

/* @t is the client's from now on, in place of what it was in the middle of. */
void client_begin(struct client *c, struct task *t, const struct task_ops *ops);

/* --- the socket ------------------------------------------------------------------------------ */

void control_init(struct control *ctl, struct master *m, struct events *events,
		  struct survey *survey, client_answer_fn *answer);

/* Opens the socket. 0 or -errno with @error. control = off: nothing, and 0. */
int control_open(struct control *ctl, struct strbuf *error);
/* The same with the socket of another program, -1: it has none. 0 or -ENOMEM. */
int control_adopt_socket(struct control *ctl, int fd, gid_t group);
int control_start(struct control *ctl); /* begins to accept. 0 or -errno */

/* Opens it again if its file was removed, whose path is added to @made then. As control_open(). */
int control_restore(struct control *ctl, struct strbuf *made, struct strbuf *error);
void control_stop(struct control *ctl);

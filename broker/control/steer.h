/*
 * steer - the commands that change something at once.
 */
#pragma once

#include "base/strbuf.h"

struct client;
struct service;
struct worker;

void control_hold(struct client *c, struct worker *w);
void control_release(struct client *c, struct worker *w);
void control_signal(struct client *c, struct worker *w);
void control_pause(struct client *c, struct service *s);
void control_end(struct client *c,
		 struct service *s); /* NULL: the broker, whose end is waited for */
void control_join(struct client *c, struct service *s); /* the client becomes a guest */
void control_scale(struct client *c, struct service *s);
void control_pin(struct client *c, struct worker *w);
void control_next(struct client *c, struct worker *w);
void control_unpin(struct client *c);

/* 0 and what was done in @words, or -errno and why not. */
int control_reload_abort(struct service *s, struct strbuf *words);
int control_rollback(struct service *s, struct strbuf *words);

/* Ends the answer, with a warning if @w was the last worker in the round. */
void hold_end(struct client *c, const struct worker *w);

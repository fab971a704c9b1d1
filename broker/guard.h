/*
 * guard - the broker's side of the keeper (sys/keeper.h): tells it which processes it would have to
 * end if the broker could not.
 */
#pragma once

#include "core/notice.h"

struct guard {
	struct observer observer;
	struct broker *broker;
	int fd;	   /* pipe to the keeper, owned; -1: there is none */
	pid_t pid; /* of the keeper; 0: there is none */
};

#define GUARD_INIT ((struct guard){ .fd = -1 })

int guard_start(struct guard *g, struct broker *b); /* 0 or -errno */
void guard_stop(struct guard *g);

/* Whether child @pid, which has ended, was the keeper. Then a new one is started. */
bool guard_reaped(struct guard *g, pid_t pid);

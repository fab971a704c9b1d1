/*
 * rendezvous - the socket at which a worker says that its app listens (HELLO), and is given a
 * channel, or refused with a reason; docs/protocol.md is the contract.
 */
#pragma once

#include "core/broker.h"
#include "sys/stream.h"

struct rendezvous {
	struct broker *broker;
	struct acceptor acceptor;
	struct list greetings; /* greeting::link: connections without a HELLO yet, oldest first */
};

/* Begins to accept on @fd, which stays the caller's. @rv->greetings is a list already. 0 or -errno.
 */
int rendezvous_start(struct rendezvous *rv, struct broker *b, int fd);
void rendezvous_stop(struct rendezvous *rv);

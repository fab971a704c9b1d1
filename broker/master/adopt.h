/*
 * adopt - a master that is made of the records of another program: see keep.c and policy/kept.h.
 */
#pragma once

#include "config/conf.h"
#include "master/master.h"
#include "service/types.h"

/* All zero but for the first two, which are the caller's. */
struct adoption {
	struct master *master;
	const struct conf_command *command;
	struct kept_broker broker; /* in force again when all is made */
	struct conf **confs;	   /* owned, as the next */
	struct service_conf **service_confs;
	size_t n_confs, n_service_confs;
	/* The last of each: what comes next belongs to it. */
	struct service *service;
	struct worker *worker;
	struct endpoint *endpoint;
	struct channel *channel;
	unsigned n_slots;
};

/*
 * Takes a record of the configurations; then, when the loop is there, of all the rest. Others are
 * passed over. 0; -EPROTO, -ENOMEM with @error, and the program is of no use any more.
 */
int master_adopt_conf(struct adoption *a, enum kept_kind kind, const void *record, size_t size,
		      struct strbuf *error);
int master_adopt(struct adoption *a, enum kept_kind kind, const void *record, size_t size,
		 struct strbuf *error);

/* All records were read: goes on with the work in the next turn of the loop. */
void master_adopted(struct adoption *a);

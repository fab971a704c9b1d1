/*
 * adopt - a broker that goes on with what another program has left: descriptors, and its state in a
 * memfd (policy/kept.h). The same is done in a trial, in which descriptors are only numbers.
 */
#pragma once

#include "config/conf.h"
#include "start.h"

/*
 * Reads the state behind @fd, which is closed, and the configuration that was in force: the master
 * has it then. 0; -errno with @error.
 */
int adopt_read(struct run *run, int fd, const struct conf_command *command, struct strbuf *error);

/* In place of opening the log. 0 or -ENOMEM. */
int adopt_log(struct run *run);

/* In place of start_prepare(): makes all of it. 0; -errno with @error. */
int adopt_all(struct run *run, struct strbuf *error);

/* Says in the log what was adopted, and to those who wait for it. Frees run->adopting. */
void adopt_finish(struct run *run);

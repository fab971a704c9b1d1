/*
 * output - what comes out of a worker: the word of its launcher on the status pipe, and what the
 * app writes to its standard output and error.
 */
#pragma once

#include "worker/types.h"

void worker_output_init(struct worker *w);
int worker_output_watch(struct worker *w);	/* 0 or -errno */
void worker_output_read_last(struct worker *w); /* main has ended: what is still in the pipes */
void worker_output_deinit(struct worker *w);

/*
 * tree - a look at some processes and all that descend from them, in steps: there may be thousands
 * of them, with thousands of descriptors each. A step is one descriptor, thread or process.
 *
 * A process is asked for its children after its descriptors. So what it has, and then leaves to a
 * child, is found with the one or the other.
 */
#pragma once

#include "sys/proc.h"
#include "sys/sockdiag.h"

/* All zero: there is nothing to look at. The caller adds the first processes to .pids. */
struct tree_walk {
	struct pid_set pids;		   /* owned; those that were found so far */
	bool figures;			   /* memory, time and tracer are wanted, too */
	struct sockdiag_list *connections; /* which of them are open is wanted; NULL: not */

	/* What was found. */
	int open; /* of .connections, each counted once; negative: some could not be read, -errno */
	int missing; /* -errno: children of some process could not be found; -EACCES: it is hidden
		      */
	uint64_t rss_bytes, cpu_ms;
	pid_t tracer;	     /* 0: none */
	struct proc_fd last; /* of those that .open counts */

	/* The walk's own. */
	size_t at;	 /* of .pids: looked at now */
	struct dir *dir; /* owned; its descriptors, or its threads */
	bool in_threads;
	unsigned mark; /* of those of .connections that were counted */
};

/* At most @n steps. 1: there is more; 0: that was all; -errno: all but those that are missing. */
int tree_steps(struct tree_walk *w, size_t n);

void tree_end(struct tree_walk *w); /* at any time. Then all zero */
#define _cleanup_tree_ __attribute__((cleanup(tree_end)))

/*
 * workers - the lines of a service's workers, and of slots that wait for their next process.
 *
 * What is known now. Open connections, memory and processor time come from the latest survey:
 * request one first to get fresh values.
 */
#pragma once

#include "base/buf.h"
#include "service/types.h"

/* A worker, or a slot that has none, as it was when the row was taken. */
struct worker_row {
	uint64_t id; /* worker::id; 0: none */
	size_t at;   /* status::lines: what goes out before it */
	char name[PIN_WORKER_SIZE];
	unsigned slot, generation, restarts, waiting, ended_idle;
	bool guest, pinned_only;
	pid_t pid; /* 0: none */
	const char *state;
	int64_t state_ms;   /* negative: not known */
	int64_t stalled_ms; /* has taken nothing for so long, while others did; 0: it does */
	uint64_t given;
	struct worker_findings found;
	char why[512];
};

struct worker_rows {
	struct worker_row *v; /* malloc'd */
	size_t n;
};

/* Adds those of @s: by slot, older generations first, guests last. 0 or -ENOMEM. */
int worker_rows_add(struct worker_rows *rows, const struct service *s);
void worker_row_write(const struct worker_row *row, struct buf *out);

/* Whether @slot should have a worker and has none, and why that is. */
bool slot_is_empty(const struct service *s, unsigned slot);
void slot_explain(const struct service *s, unsigned slot, struct strbuf *out);

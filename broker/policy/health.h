/*
 * health - what a health check sends, how its answer is judged, and when the answers make a worker
 * healthy or ill.
 *
 * Owns:   as much of HTTP as is needed to ask and to read a status line (RFC 9112, section 4); the
 *         counters. Never: reads, writes, reads a clock.
 */
#pragma once

#include "config/health_probe.h"

/* The bytes to send. @host: of the Host field. */
void health_request(const struct health_probe *p, const char *host, struct strbuf *out);

enum health_verdict { HEALTH_MORE, HEALTH_PASSED, HEALTH_FAILED };

struct health_status {
	unsigned min, max; /* of HTTP: what is expected */
};

/*
 * Judges the @n bytes at @bytes, all that has come so far. @ended: nothing more comes. FAILED: @why
 * says what was found.
 */
enum health_verdict health_judge(const struct health_probe *p, struct health_status expected,
				 const char *bytes, size_t n, bool ended, struct strbuf *why);

/* How a worker does: answers in a row; one of the two is 0. */
struct health {
	unsigned passed, failed;
};

/* PASSED: the worker has just become healthy; FAILED: ill; MORE: nothing has changed. */
enum health_verdict health_count(struct health *h, bool passed, unsigned rise, unsigned fall);

/*
 * openmetrics - writes the OpenMetrics text format, version 1.0.0; or the format that was there
 * before, Prometheus' text format 0.0.4. That has no units, no information and no sets of states
 * (they become gauges), and a counter's family bears the name of its samples.
 *
 *	openmetrics_family(&om, &(struct openmetrics_family){
 *		"broker_connections_accepted", OPENMETRICS_COUNTER, NULL, "Connections accepted" });
 *	openmetrics_number(&om, OPENMETRICS_LABELS({ "service", "web" }), NULL, 17);
 *	openmetrics_end(&om);
 *
 *	# TYPE broker_connections_accepted counter
 *	# HELP broker_connections_accepted Connections accepted
 *	broker_connections_accepted_total{service="web"} 17
 *	# EOF
 *
 * Numbers come as integers and times as nanoseconds, and are written exactly. What the format
 * demands of names (the unit as the last word, no family twice) is the caller's to keep; that a
 * value fits the type of its family is asserted.
 *
 * Owns:   names' suffixes, escaping, order within a family.
 * Never:  knows what is counted.
 */
#pragma once

#include "base/buf.h"
#include "policy/histogram.h"

enum openmetrics_type {
	OPENMETRICS_COUNTER,
	OPENMETRICS_GAUGE,
	OPENMETRICS_HISTOGRAM,
	OPENMETRICS_INFO,
	OPENMETRICS_STATESET,
};

struct openmetrics_family {
	const char *name; /* without _total, _bucket and the like */
	enum openmetrics_type type;
	const char *unit; /* the last word of the name; NULL: none */
	const char *help; /* one sentence, no full stop */
};

struct openmetrics_label {
	const char *name, *value; /* name NULL ends the list */
};

#define OPENMETRICS_LABELS(...) ((const struct openmetrics_label[]){ __VA_ARGS__, { NULL, NULL } })
#define OPENMETRICS_NO_LABELS	((const struct openmetrics_label[]){ { NULL, NULL } })

struct openmetrics {
	struct buf *out;
	bool classic;				 /* Prometheus' text format */
	const struct openmetrics_family *family; /* begun last; must live as long */
};

void openmetrics_family(struct openmetrics *om, const struct openmetrics_family *family);

/* A sample of a counter or a gauge, plain or in seconds. @extra: one more label, or NULL. */
void openmetrics_number(struct openmetrics *om, const struct openmetrics_label *labels,
			const struct openmetrics_label *extra, uint64_t n);
void openmetrics_ns(struct openmetrics *om, const struct openmetrics_label *labels, uint64_t ns);

/*
 * A histogram in seconds. Bounds are written from 2^@first to 2^@last microseconds; what is
 * below or above is in the first bucket or in +Inf.
 */
void openmetrics_histogram(struct openmetrics *om, const struct openmetrics_label *labels,
			   const struct histogram *h, size_t first, size_t last);

void openmetrics_info(struct openmetrics *om, const struct openmetrics_label *labels);

/* One sample for each of @states (NULL-terminated): 1 for number @now, 0 for the others. */
void openmetrics_stateset(struct openmetrics *om, const struct openmetrics_label *labels,
			  const char *const *states, size_t now);

void openmetrics_end(struct openmetrics *om);

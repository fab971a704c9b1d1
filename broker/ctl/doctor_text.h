/*
 * doctor_text - what the doctor makes of the facts: notes, a section for broker.ini, and both with
 * the facts as text or JSON. Pure.
 *
 * Facts are the members of the answer as JSON, from "served" to "process". What the JSON does not
 * have, or not whole, is beside it.
 */
#pragma once

#include <limits.h>
#include <sys/types.h>
#include "base/strbuf.h"

#define DOCTOR_NOTES 16 /* no more are given */

struct doctor_facts {
	bool is_inetd;		    /* the words of the command say so; else it may listen */
	bool is_process;	    /* that runs: what it listens on is seen */
	bool only_reads;	    /* as the launcher sees, it can do nothing but serve inetd */
	const char *const *command; /* NULL-terminated; empty: it cannot be read */
	char directory[PATH_MAX];   /* of a process, byte for byte; empty: not known */
	uid_t own_uid;		    /* of brokerctl */
	bool can_be_inetd;	    /* mode = inetd could serve it */
	bool is_missing;	    /* there is no such program */
	struct strbuf json;	    /* one object */
};

/*
 * Strings, each with its NUL, up to @end, as /proc has the arguments and the environment of a
 * process: the one behind @at (NULL: the first), and the value of the first KEY=VALUE. NULL: none.
 */
const char *doctor_next(const char *strings, const char *end, const char *at);
const char *doctor_value(const char *strings, const char *end, const char *key);

/* Whether a command says by its words that it is for inetd: in.fingerd, git daemon --inetd. */
bool doctor_is_for_inetd(const char *const *command);

/*
 * Begins the facts, whose first two and ->command are set, with the launcher's report, lines of
 * KEY=VALUE, of which unknown ones are passed over. Changes @report. False: there is no verdict in
 * it.
 */
bool doctor_begin_facts(char *report, struct doctor_facts *ret);

/* Answers. Returns whether it can be served. */
bool doctor_text(const struct doctor_facts *facts, bool json, struct strbuf *out);

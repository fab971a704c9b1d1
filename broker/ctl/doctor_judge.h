/*
 * doctor_judge - what the facts mean, and the section of broker.ini that follows from them. Pure.
 */
#ifndef BROKER_CTL_DOCTOR_JUDGE_H
#define BROKER_CTL_DOCTOR_JUDGE_H

#include "base/buf.h"
#include "ctl/doctor_facts.h"

#define DOCTOR_NOTES	 16
#define DOCTOR_NOTE_SIZE 640

struct doctor_notes {
	char text[DOCTOR_NOTES][DOCTOR_NOTE_SIZE];
	size_t n;
};

/* Whether it can be served. */
bool doctor_can_serve(const struct doctor_facts *facts);

/* What a person should know before they put it behind the broker, most important first. */
void doctor_judge(const struct doctor_facts *facts, struct doctor_notes *ret);

/* A section for broker.ini. Nothing where it cannot be served, or is served already. */
void doctor_section(const struct doctor_facts *facts, struct buf *out);

#endif

/*
 * doctor_judge - what the facts mean, and the section of broker.ini that follows from them. Pure.
 */
#pragma once

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

/* What to know before it is put behind the broker, the most important first. */
void doctor_judge(const struct doctor_facts *facts, struct doctor_notes *ret);

/* Adds a section for broker.ini. Adds nothing if it cannot be served, or already is. */
void doctor_section(const struct doctor_facts *facts, struct buf *out);

/*
 * doctor_text - the launcher's report as values, and the doctor's answer as text or JSON. Pure.
 */
#pragma once

#include "base/buf.h"
#include "ctl/doctor_facts.h"

/*
 * Reads the launcher's report, lines of KEY=VALUE. *@ret points into @text, which is changed.
 * Unknown keys are passed over. False: there is no verdict in it.
 */
bool doctor_report_parse(char *text, struct doctor_program *ret);

void doctor_print_text(const struct doctor_facts *facts, struct buf *out);
void doctor_print_json(const struct doctor_facts *facts, struct buf *out);

/*
 * status - the broker as JSON lines, in the form that docs/control.md names, all of one moment.
 */
#pragma once

#include "service/types.h"

struct master;

/* Of one service; or of all (NULL), after the line of the broker. 0 or -ENOMEM. */
int status_write(const struct master *m, const struct service *only, struct strbuf *out);

void status_write_pins(const struct service *s, struct strbuf *out);

/* In one line for people: "running; web serving 2/2 ready". What does not serve comes first. */
void status_add_line(const struct master *m, struct strbuf *out);

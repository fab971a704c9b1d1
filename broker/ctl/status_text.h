/*
 * status_text - the answer to `status` as a screen, and the parts of it that `top` shows too.
 *
 *	broker 0.1.0  running  pid 4711  up 3d04h  /etc/broker.ini
 *
 *	web  serving  2/2 ready  generation 3  round-robin
 *	  0.0.0.0:80 for 3000  open  backlog 0/4096  overflows 0  accepted 1204
 *	  accepted 1204 = taken 1200 + waiting 3 + client gone 1 + refused 0
 *	  WORKER    PID  GEN  STATE      FOR  GIVEN  WAITING  OPEN  MEMORY   CPU  RESTARTS  WHY
 *	  web.0     812    3  ready    1m31s    602        2     1    1.2M  1.2s         0
 *	  ...
 *
 * Services that need a look come first, the worst before the others. If not all fits on the screen,
 * of the others only their first line is shown, or how many there are, and of the workers those
 * that need a look.
 *
 * Fits 100 columns with short names; in fewer it leaves out columns, the least important first.
 * A reason that is too long for its column stands in lines of its own below.
 *
 * Pure but for the heap.
 */
#pragma once

#include "ctl/text.h"
#include "ctl/view.h"

#define STATUS_INDENT 2 /* of all lines of a service but its first */

/* Orders the services of @view. */
void status_text(struct view *view, struct screen *s);

/* All below add lines, as long as they fit. */

void status_add_broker(struct screen *s, const struct view *view);

/* How much of a service is shown: its first line, what top has room for, all but its workers. */
enum status_part { STATUS_LINE, STATUS_SOME, STATUS_ALL };

/* @accepted_rate: NULL: none is known of. @slots: of a reload, or empty. */
void status_add_service(struct screen *s, const struct view *view, const struct view_service *of,
			enum status_part part, const char *accepted_rate, const char *slots);
void status_add_pin(struct screen *s, unsigned indent, const struct json_value *pin);

/* "12 more services, all well" for the last @n of @view, or how many of them are not. */
void status_add_more(struct screen *s, const char *before, const struct view *view, size_t n);

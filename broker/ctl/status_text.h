/*
 * status_text - the answer to `status` as a screen.
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
 * Fits 100 columns with short names; in fewer it leaves out columns, the least important first.
 * A reason that is too long for its column stands in lines of its own below.
 *
 * Pure.
 */
#ifndef BROKER_CTL_STATUS_TEXT_H
#define BROKER_CTL_STATUS_TEXT_H

#include "ctl/screen.h"
#include "ctl/view.h"

void status_text(const struct view *view, const struct screen *screen, struct buf *out);

/* The parts that `top` and others show too, each as the rest of a line that was begun. */
void status_add_broker(const struct view_broker *b, struct text_line *line);
void status_add_service(const struct view_service *s, struct text_line *line);
void status_add_ledger(const struct view_ledger *l, struct text_line *line);
void status_add_reload(const struct view_reload *r, struct text_line *line);
void status_add_pin(const struct view_pin *p, struct text_line *line);

#endif

/*
 * out - all that brokerctl prints.
 *
 * One standard output a process, hence state in one static struct.
 */
#ifndef BROKER_CTL_OUT_H
#define BROKER_CTL_OUT_H

#include "base/buf.h"
#include "ctl/text.h"

enum out_color { OUT_COLOR_AUTO, OUT_COLOR_ALWAYS, OUT_COLOR_NEVER };

/*
 * AUTO: in colour on a terminal, unless NO_COLOR is set (to something) or TERM is dumb.
 */
void out_init(enum out_color color);

/*
 * Standard output: as wide as the terminal is now. Without one as wide as COLUMNS says, or
 * else TEXT_UNLIMITED, so that nothing is cut on its way to grep.
 */
struct screen out_screen(void);
bool out_is_terminal(void); /* that can move its cursor: TERM is not dumb */

void out_bytes(const char *bytes, size_t n);
void out_text(const char *text);
void out_buf(struct buf *b); /* and empties it. Out of memory is said. */

/*
 * One line that is written over by the next: for progress on a terminal. out_text and all others
 * remove it first.
 */
void out_progress(struct buf *line);

/* Writes what is still kept back. 0, or -errno: something could not be written (disk full, say). */
int out_flush(void);

/* "brokerctl: ..." on standard error, after all that was printed before. */
void out_error(const char *fmt, ...) PRINTF(1, 2);

#endif

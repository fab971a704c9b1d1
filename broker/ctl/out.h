/*
 * out - all that brokerctl prints.
 *
 * A process has one standard output, so the state is one static struct.
 */
#pragma once

#include "ctl/text.h"

/*
 * @color: "always", "never", or "auto": in colour on a terminal, unless NO_COLOR is set (to
 * something) or TERM is dumb. False: it is none of them, and that was printed.
 */
bool out_init(const char *color);

/*
 * For @text that goes to standard output: as wide as the terminal is now. If it is no terminal, as
 * wide as COLUMNS says, or TEXT_UNLIMITED, so that nothing is cut on its way to grep.
 */
struct screen out_screen(struct strbuf *text);
bool out_is_terminal(void); /* with cursor control: TERM is not dumb */

void out_bytes(const char *bytes, size_t n);
void out_text(const char *text);
void out_buf(struct strbuf *b); /* and empties it; says so if it has failed */

/* A line of progress on a terminal. Whatever is printed next replaces it. */
void out_progress(struct strbuf *line);

/* Writes what is still buffered. 0, or -errno of the first write that failed, now or earlier. */
int out_flush(void);

/* "brokerctl: ..." on standard error, after all that was printed before. */
void out_error(const char *fmt, ...) PRINTF(1, 2);

/* The same with text from outside, escaped, and cut where it gets long. */
void out_error_from(const char *text);

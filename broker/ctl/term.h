/*
 * term - the terminal as a full screen: keys come one by one, and the former content comes back at
 * the end. Plain ECMA-48, and the alternate screen of xterm.
 */
#pragma once

#include <termios.h>
#include "base/buf.h"

struct term {
	struct termios before;
	bool is_open;
};

/* Standard input and output must be the terminal. 0 or -errno. */
int term_open(struct term *t);

/* Gives the terminal back as it was. May be called twice. */
void term_close(struct term *t);

/* Draws lines, each ended by a newline, over the old ones without flicker. */
void term_draw(const struct buf *lines);

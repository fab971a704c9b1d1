/*
 * screen - for whom text is made: how wide, how high, in colour or not.
 */
#ifndef BROKER_CTL_SCREEN_H
#define BROKER_CTL_SCREEN_H

#include "ctl/text.h"

struct screen {
	unsigned columns; /* TEXT_UNLIMITED: not a terminal */
	unsigned rows;
	bool color;
};

#endif

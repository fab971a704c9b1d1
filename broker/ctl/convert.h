/*
 * convert - prints a broker.ini for files of inetd and xinetd: `brokerctl convert`.
 *
 * Local: it asks no broker, and writes to standard output alone.
 */
#pragma once

#include "ctl/ask.h"

/* CTL_FAILED: a file cannot be read, or something in it. All else was printed. */
enum ctl_exit ctl_convert(struct ctl *ctl);

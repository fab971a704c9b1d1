/*
 * syslog_socket - lines for the syslogd of the machine, as syslog(3) sends them; but never waiting
 * for it.
 */
#pragma once

#include <sys/time.h>
#include "base/strbuf.h"

/*
 * Sends @line over *@fd, which is connected first if it is -1, or again if syslogd is another.
 * False: it was not taken.
 */
bool syslog_send(int *fd, int priority, const struct timeval *now, const struct strbuf *line);

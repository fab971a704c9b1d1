/*
 * convert_read - reads /etc/inetd.conf and the files of xinetd. Pure.
 *
 * inetd.conf is that of openbsd-inetd and inetutils: addresses before the name of a service and
 * on a line of their own, tcp4 and tcp6, wait.MAX, user:group, rpc/udp, and #<off>#, with which
 * update-inetd(8) disables a line.
 */
#pragma once

#include "ctl/convert_service.h"

/*
 * Reads @text of @file, which it changes, and writes its services. Which format it has, is told
 * from what it begins with.
 */
void convert_read(struct convert *c, const char *file, char *text);

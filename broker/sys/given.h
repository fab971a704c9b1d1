/*
 * given - listening sockets that the service manager has, too, so that they outlive the broker:
 * those of a socket unit, which it has been started with (sd_listen_fds(3)); and those that an
 * earlier broker has put into the store of its unit, as this one does (FDSTORE=1 of sd_notify(3)).
 */
#pragma once

#include "policy/kept.h"

/*
 * Reads what the environment says: to be called once, in the process that was started, before it
 * opens anything. All are close-on-exec from then on.
 */
void given_read(void);

/*
 * For another program, in place of the environment: a record for each, and how many are in the
 * store. One of them there, or NULL. 0 or -ENOMEM.
 */
size_t given_save(struct strbuf *out);
int given_adopt(const struct kept_given *k, size_t stored);

/*
 * The socket that is bound to @addr and that nobody has taken; it listens, or will with
 * tcp_listen(), and is as tcp_bind() and unix_listener_bind() make one. -1: there is none. Later it
 * goes to given_close().
 */
int given_take(const struct handoff_addr *addr);

/* Whose @fd is, after it was put into the store, if it belongs there and there is room. */
enum given_by given_keep(int fd);
enum given_by given_by(int fd); /* the same, without that */

/*
 * The broker has no use for @fd, of @by, any more. @stays: the manager is to keep it, and who
 * connects waits; else only a socket unit does, and what was in the store is shut and leaves it.
 */
void given_close(int fd, enum given_by by, bool stays);

/*
 * Tells @fn of each that nobody has taken. @end: those of the store leave it, as they are of a
 * configuration that is gone; else they are not told of.
 */
void given_report(bool end, void (*fn)(enum given_by by, const char *address));

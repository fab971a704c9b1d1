/*
 * bind - the listening socket of an address: one that the service manager has given, or a new one.
 */
#pragma once

#include "service/types.h"

/*
 * Binds @addr for @s (NULL: it is new), also beside listeners of @s that overlap it: a reload moves
 * from the one to the other, and both serve meanwhile. And beside automatic ones of others, if no
 * app has asked: see service_log_listener(). @asked: NULL, no app has asked for anything
 * yet. @listens: it lets clients in. As tcp_bind().
 * 0 or -errno.
 */
int service_bind(struct broker *b, struct service *s, const struct service_conf *sc,
		 const struct asked *asked, const struct handoff_addr *addr, bool listens,
		 struct strbuf *error, int *ret_fd);

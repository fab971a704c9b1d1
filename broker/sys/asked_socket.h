/*
 * asked_socket - reads what an app has said of its listening socket, and says the same of a
 * listener.
 *
 * The app's own socket comes with HELLO, so it is the kernel that is asked, not the worker. What
 * the kernel does not tell (TCP_MD5SIG) or the broker cannot do (socket filters) the preload
 * library refuses by itself.
 */
#pragma once

#include <limits.h>
#include "config/conf.h"
#include "policy/asked.h"

/* No machine has it: what is bound to it by tcp_hide() gets no more clients, and stays so. */
#define ASKED_NO_INTERFACE INT_MAX

/*
 * Fills *@ret from @sock, which a worker has sent; @own is a socket that the broker has opened. 0;
 * -errno with @error: it is no TCP socket.
 */
int asked_read(int sock, int own, struct asked *ret, struct strbuf *error);

/*
 * Makes the listening or new socket @fd as @asked and @sc say, where the app goes before the file:
 * deferred and fast open. Clients that came to an open listener from anywhere, before it is bound
 * to a device, are let go. 0; -errno with @error, which says what to do.
 */
int asked_apply(int fd, const struct asked *asked, const struct service_conf *sc,
		struct strbuf *error);

#include "bind.h"

#include <errno.h>
#include "base/address.h"
#include "base/fd.h"
#include "sys/given.h"
#include "sys/tcp.h"
#include "sys/unix_listener.h"

/*
 * What the service manager has given for @addr, if anything: *@ret_fd is as service_bind() makes
 * one. -ENOENT: there is none; -errno with @error.
 */
static int take_given(const struct broker *b, const struct service_conf *sc,
		      const struct asked *asked, const struct handoff_addr *addr,
		      struct strbuf *error, int *ret_fd)
{
	const struct unix_file file = unix_listener_file(addr);
	int fd = given_take(addr), r;
	enum given_by by = given_by(fd);
	bool lost = by == GIVEN_STORE && unix_listener_is_lost(addr, file);

	if (fd < 0)
		return -ENOENT;
	if (lost)
		r = -ENOENT;
	else if (!address_unix(addr))
		r = tcp_configure(fd, sc, asked, error);
	else if (by == GIVEN_UNIT) /* its file is systemd's */
		r = tcp_listen(fd, sc);
	else
		r = unix_listener_configure(fd, addr, file, sc, b->conf, error);
	if (r < 0)
		given_close(fd, by, !lost);
	else
		*ret_fd = fd;
	return r;
}

int service_bind(struct broker *b, struct service *s, const struct service_conf *sc,
		 const struct asked *asked, const struct handoff_addr *addr, bool listens,
		 struct strbuf *error, int *ret_fd)
{
	static const struct asked nothing;
	_cleanup_fd_ int fd = -1;
	bool shared = false, local = address_unix(addr), line = !asked;
	int r = take_given(b, sc, asked ? asked : &nothing, addr, error, ret_fd);

	if (r != -ENOENT)
		return r;
	r = local ? unix_listener_bind(addr, sc, b->conf, error, &fd)
		  : tcp_bind(addr, sc, asked ? asked : &nothing, false, error, &fd);
	if (r == -EADDRINUSE && !local)
		list_for_each (struct service, o, &b->services, link)
			list_for_each (struct listener, l, &o->dispatch.listeners, link)
				if (address_overlap(&l->addr, addr) &&
				    (o == s || (line && l->automatic)))
					shared = tcp_share(l->fd) == 0;
	if (shared)
		r = tcp_bind(addr, sc, asked ? asked : &nothing, true, error, &fd);
	if (r == 0 && listens)
		r = tcp_listen(fd, sc);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

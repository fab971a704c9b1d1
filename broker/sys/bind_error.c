#include "bind_error.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include "base/address.h"
#include "sys/proc.h"
#include "sys/sockdiag.h"

struct port_user {
	const struct handoff_addr *addr;
	uint64_t inode;
};

static bool uses_port(void *arg, const struct sockdiag_socket *s)
{
	struct port_user *user = arg;

	if (address_overlap(&s->local, user->addr))
		user->inode = s->inode;
	return !user->inode;
}

void bind_error_explain(const struct handoff_addr *addr, int error, struct strbuf *reason)
{
	struct port_user user = { .addr = addr };
	pid_t pid = 0;

	strbuf_addf(reason, "cannot listen on %s: %s", address_text(addr).text, strerror(-error));
	switch (-error) {
	case EADDRINUSE:
		(void)sockdiag_dump(1u << TCP_LISTEN, addr->port, uses_port, &user);
		if (user.inode)
			pid = proc_find_socket_owner(user.inode);
		if (pid) {
			char name[32];

			proc_name(pid, name, sizeof(name));
			strbuf_addf(reason, " by %s (pid %d)", name, (int)pid);
		}
		strbuf_add(reason, "; stop the program that uses it, or choose another port");
		break;
	case EACCES:
		strbuf_add(reason, "; ports below 1024 need root or CAP_NET_BIND_SERVICE");
		break;
	case EADDRNOTAVAIL:
		strbuf_add(reason,
			   "; this machine has no such address (ip_freebind = yes allows it)");
		break;
	}
}

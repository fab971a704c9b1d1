#include "given.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/address.h"
#include "sys/notify.h"
#include "sys/retire.h"
#include "sys/starter.h"
#include "sys/tcp.h"

#define FIRST_FD 3     /* SD_LISTEN_FDS_START */
#define FDS_MAX	 65536 /* more is no number of descriptors */

/* There is one environment, and so one of these for the whole process. */
static struct kept_given *given;
static size_t n_given;
static size_t n_stored, store_max;

/* What it is called in the store: nothing else has its inode as long as it lives. */
static void add_name(struct strbuf *out, int fd)
{
	struct stat st = { 0 };

	(void)fstat(fd, &st);
	strbuf_addf(out, "broker-%llu", (unsigned long long)st.st_ino);
}

void given_read(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	const char *name = getenv("LISTEN_FDNAMES"), *max = getenv("FDSTORE");
	bool ours = pid && fds && strtol(pid, NULL, 10) == starter_pid();
	size_t n = ours ? strtoul(fds, NULL, 10) : 0;

	store_max = max ? strtoul(max, NULL, 10) : 0;
	/* A program that we execute in our place has other descriptors. */
	(void)unsetenv("LISTEN_PID");
	given = n && n < FDS_MAX ? calloc(n, sizeof(*given)) : NULL;
	for (size_t i = 0; given && i < n; i++) {
		struct kept_given *g = &given[n_given];
		size_t len = name ? strcspn(name, ":") : 0;
		STRBUF(own, 32);

		g->fd = FIRST_FD + (int)i;
		add_name(&own, g->fd);
		g->by = GIVEN_UNIT;
		if (name && len == own.len && !memcmp(name, own.text, len))
			g->by = GIVEN_STORE;
		if (name)
			name += len + (name[len] == ':');
		if (fcntl(g->fd, F_SETFD, FD_CLOEXEC) < 0)
			continue;
		n_given++;
		n_stored += g->by == GIVEN_STORE;
	}
}

static int option(int fd, int level, int name)
{
	int value = 0;

	(void)getsockopt(fd, level, name, &value, &(socklen_t){ sizeof(value) });
	return value;
}

/* A Unix socket has its name in @path. False: it is none that a service listens on. */
static bool bound_to(const struct kept_given *g, struct handoff_addr *ret,
		     char path[sizeof(struct sockaddr_un)])
{
	struct sockaddr_un sun = { 0 };
	socklen_t len = sizeof(sun) - 1;
	int type = option(g->fd, SOL_SOCKET, SO_TYPE);

	*ret = (struct handoff_addr){ 0 };
	if (tcp_own_address(g->fd, ret) < 0 || !ret->family)
		return false;
	if (type == SOCK_STREAM && g->by == GIVEN_UNIT && !option(g->fd, SOL_SOCKET, SO_ACCEPTCONN))
		return false; /* a connection, of Accept=yes */
	if (ret->family == HANDOFF_UNIX) {
		(void)getsockname(g->fd, (struct sockaddr *)&sun, &len);
		strcpy(path, sun.sun_path);
		if (!*path && sun.sun_path[1])
			snprintf(path, sizeof(sun), "@%s", sun.sun_path + 1);
		return type == SOCK_STREAM;
	}
	if (ret->family == 6 && option(g->fd, IPPROTO_IPV6, IPV6_V6ONLY))
		ret->flags |= HANDOFF_V6ONLY;
	if (type == SOCK_DGRAM)
		ret->flags |= HANDOFF_UDP;
	return type == SOCK_STREAM || type == SOCK_DGRAM;
}

static bool is_at(const struct kept_given *g, const struct handoff_addr *addr)
{
	static const uint8_t every[16];
	char path[sizeof(struct sockaddr_un)] = "";
	struct handoff_addr own;

	if (g->taken || !bound_to(g, &own, path))
		return false;
	if (address_unix(addr))
		return !strcmp(path, address_unix(addr));
	/* Of a single address it says nothing. */
	if (own.family == 6 && memcmp(own.ip, every, sizeof(every)) != 0)
		own.flags = (own.flags & HANDOFF_UDP) | (addr->flags & HANDOFF_V6ONLY);
	return address_equal(&own, addr);
}

int given_take(const struct handoff_addr *addr)
{
	for (struct kept_given *g = given; g < given + n_given; g++) {
		if (!is_at(g, addr))
			continue;
		g->taken = true;
		/* systemd lets it block; and a broker may have died while it closed it. */
		if (addr->flags & HANDOFF_UDP)
			udp_reset(g->fd);
		else
			(void)fcntl(g->fd, F_SETFL, O_NONBLOCK);
		tcp_remove_filter(g->fd);
		return g->fd;
	}
	return -1;
}

static struct kept_given *find(int fd)
{
	for (struct kept_given *g = given; g < given + n_given; g++)
		if (g->fd == fd)
			return g;
	return NULL;
}

enum given_by given_by(int fd)
{
	const struct kept_given *g = find(fd);

	return g ? g->by : GIVEN_NOT;
}

enum given_by given_keep(int fd)
{
	enum given_by by = given_by(fd);
	STRBUF(text, 128);

	if (by != GIVEN_NOT || n_stored >= store_max)
		return by;
	strbuf_add(&text, "FDSTORE=1\nFDPOLL=0\nFDNAME=");
	add_name(&text, fd);
	if (!notify_send(text.text, fd))
		return GIVEN_NOT;
	n_stored++;
	return GIVEN_STORE;
}

static void leave_store(int fd)
{
	STRBUF(text, 128);

	/* Whenever that is read: from now on nobody connects, and another may have the port. */
	(void)shutdown(fd, SHUT_RDWR);
	strbuf_add(&text, "FDSTOREREMOVE=1\nFDNAME=");
	add_name(&text, fd);
	if (notify_send(text.text, -1))
		n_stored--;
}

void given_close(int fd, enum given_by by, bool stays)
{
	struct kept_given *g = find(fd);

	if (by == GIVEN_UNIT || (g && stays)) {
		if (g)
			g->taken = false;
		return;
	}
	if (by == GIVEN_STORE && !stays)
		leave_store(fd);
	if (g)
		*g = given[--n_given];
	retire_fd(&fd);
}

size_t given_save(struct strbuf *out)
{
	for (size_t i = 0; i < n_given; i++)
		kept_add(out, KEPT_GIVEN, &given[i]);
	return n_stored;
}

int given_adopt(const struct kept_given *k, size_t stored)
{
	const char *max = getenv("FDSTORE");

	store_max = max ? strtoul(max, NULL, 10) : 0;
	n_stored = stored;
	if (k && !array_grow(given, n_given))
		return -ENOMEM;
	if (k)
		given[n_given++] = *k;
	return 0;
}

void given_report(bool end, void (*fn)(enum given_by by, const char *address))
{
	for (size_t i = n_given; i-- > 0;) {
		const struct kept_given g = given[i];
		char path[sizeof(struct sockaddr_un)] = "";
		STRBUF(text, 256);
		struct handoff_addr addr;

		if (g.taken || (g.by == GIVEN_STORE && !end))
			continue;
		if (!bound_to(&g, &addr, path))
			strbuf_addf(&text, "no listening socket (descriptor %d)", g.fd);
		else if (*path)
			strbuf_add_escaped(&text, path, strlen(path));
		else
			strbuf_add(&text, address_text(&addr).text);
		fn(g.by, text.text);
		if (g.by == GIVEN_STORE)
			given_close(g.fd, g.by, false);
	}
}

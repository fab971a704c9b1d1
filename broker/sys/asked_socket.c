#include "asked_socket.h"

#include <netinet/tcp.h>
#include "base/fd.h"
#include "handoff_kernel.h"

/* Of the kernel's headers, where a libc may lack the name. */
#define OPT_NETNS_COOKIE 71

static const struct {
	const char *text;
	int level, name;
	int unset; /* of a new socket */
	const char *needs;
} options[ASKED_N] = {
	[ASKED_MIN_TTL] = { "IP_MINTTL", IPPROTO_IP, IP_MINTTL, 0, NULL },
	[ASKED_MIN_HOPS] = { "IPV6_MINHOPCOUNT", IPPROTO_IPV6, IPV6_MINHOPCOUNT, 0, NULL },
	/* One bit for both families. */
	[ASKED_TRANSPARENT] = { "IP_TRANSPARENT", IPPROTO_IP, IP_TRANSPARENT, 0, "CAP_NET_RAW" },
	[ASKED_MARK] = { "SO_MARK", SOL_SOCKET, SO_MARK, 0, "CAP_NET_ADMIN" },
	[ASKED_INCOMING_CPU] = { "SO_INCOMING_CPU", SOL_SOCKET, SO_INCOMING_CPU, -1, NULL },
	[ASKED_DEFER_ACCEPT] = { "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, NULL },
	[ASKED_FASTOPEN] = { "TCP_FASTOPEN", IPPROTO_TCP, TCP_FASTOPEN, 0, NULL },
};

/* False if the socket does not have the option. */
static bool get_int(int fd, int level, int name, int *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, level, name, ret, &len) == 0 && len == sizeof(*ret);
}

static int domain_of(int fd)
{
	int domain = 0;

	return get_int(fd, SOL_SOCKET, SO_DOMAIN, &domain) ? domain : 0;
}

static bool is_tcp(int fd)
{
	int protocol, domain = domain_of(fd);

	return (domain == AF_INET || domain == AF_INET6) &&
	       get_int(fd, SOL_SOCKET, SO_PROTOCOL, &protocol) &&
	       (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

/* 0 on kernels that do not know: then all look alike. */
static uint64_t namespace_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, OPT_NETNS_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

static int get_device(int fd, char ret[ASKED_DEVICE_SIZE])
{
	socklen_t len = ASKED_DEVICE_SIZE;

	memset(ret, 0, ASKED_DEVICE_SIZE);
	return getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ret, &len) < 0 ? -errno : 0;
}

int asked_read(int sock, int own, struct asked *ret, struct strbuf *error)
{
	int r, value;

	*ret = (struct asked){ 0 };
	if (!is_tcp(sock))
		return strbuf_fail(error, -EPROTO, "what came with a HELLO is no TCP socket");
	ret->elsewhere = namespace_of(sock) != namespace_of(own);
	r = get_device(sock, ret->device);
	if (r < 0)
		return strbuf_fail(error, r,
				   "the device of SO_BINDTODEVICE of the app's socket: %m");
	for (size_t i = 0; i < ASKED_N; i++)
		if (get_int(sock, options[i].level, options[i].name, &value))
			ret->values[i] = value - options[i].unset;
	/* A client is not to come through IPv6 either, where the broker has both. */
	if (domain_of(sock) == AF_INET)
		ret->values[ASKED_MIN_HOPS] = ret->values[ASKED_MIN_TTL];
	return 0;
}

static int fail(struct strbuf *error, const char *option, const char *needs)
{
	int r = -errno;

	(void)strbuf_fail(error, r,
			  "the app sets %s, and the broker cannot do so on its listener: %m",
			  option);
	if (r == -EPERM && needs)
		strbuf_addf(error, "; give %s to the broker", needs);
	strbuf_add(error, "; with private_ports the app has a port for itself, without the broker");
	return r;
}

/* Connections that came before the listener was restricted. */
static void empty_backlog(int fd)
{
	int conn;

	while ((conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		(void)close(conn);
}

static int apply_device(int fd, const char *device, struct strbuf *error)
{
	char now[ASKED_DEVICE_SIZE];
	int index, listening;

	if (get_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index) && index == ASKED_NO_INTERFACE)
		return 0;
	if (get_device(fd, now) == 0 && !strcmp(now, device))
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device) + 1) < 0)
		return fail(error, "SO_BINDTODEVICE", "CAP_NET_RAW");
	if (*device && get_int(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening) && listening)
		empty_backlog(fd);
	return 0;
}

int asked_apply(int fd, const struct asked *asked, const struct service_conf *sc,
		struct strbuf *error)
{
	const int file[ASKED_N] = {
		[ASKED_DEFER_ACCEPT] = (int)sc->tcp_defer_accept_s,
		[ASKED_FASTOPEN] = (int)sc->tcp_fastopen,
	};
	int now, r;

	/* Its clients come by no network: no option of the app's is about them. */
	if (domain_of(fd) == AF_UNIX)
		return 0;
	r = apply_device(fd, asked->device, error);
	for (size_t i = 0; r == 0 && i < ASKED_N; i++) {
		int wanted = (asked->values[i] ? asked->values[i] : file[i]) + options[i].unset;

		/* No client of the other family comes through it. */
		if (options[i].level == IPPROTO_IPV6 && domain_of(fd) == AF_INET)
			continue;
		if (get_int(fd, options[i].level, options[i].name, &now) && now == wanted)
			continue;
		if (setsockopt(fd, options[i].level, options[i].name, &wanted, sizeof(wanted)) < 0)
			r = fail(error, options[i].text, options[i].needs);
	}
	return r;
}

/* links: broker/sys/sockdiag broker/base/paths broker/base/strbuf */
/* wrap: socket sendto recv */
/*
 * What the kernel says of its sockets: each recv(2) of the walk is given the next piece of the
 * input, two bytes of length and as many more.
 */
#include "sys/sockdiag.h"
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
	const uint8_t *at;
	size_t left;
} input;

int __wrap_socket(int domain, int type, int protocol);
ssize_t __wrap_sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len);
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags);

int __wrap_socket(int domain, int type, int protocol)
{
	(void)domain, (void)type, (void)protocol;
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

ssize_t __wrap_sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len)
{
	(void)fd, (void)data, (void)flags, (void)to, (void)to_len;
	return (ssize_t)len;
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	size_t n;

	(void)fd, (void)flags;
	if (input.left < 2) {
		errno = EAGAIN;
		return -1;
	}
	n = input.at[0] | (size_t)input.at[1] << 8;
	input.at += 2;
	input.left -= 2;
	n = n < input.left ? n : input.left;
	n = n < len ? n : len;
	memcpy(buf, input.at, n);
	input.at += n;
	input.left -= n;
	return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const enum sockdiag_states states[] = { SOCKDIAG_LISTENS, SOCKDIAG_HANDSHAKE,
						SOCKDIAG_OPEN };

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		_cleanup_sockets_ struct sockdiag_list all = { 0 };

		input.at = data;
		input.left = size;
		if (sockdiag_find(states[i], 0, &all) < 0)
			MUST(!all.n);
		for (size_t j = 0; j < all.n; j++)
			MUST(sockdiag_get(&all, all.v[j].inode));
	}
	return 0;
}

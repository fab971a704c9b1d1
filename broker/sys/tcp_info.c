#include "tcp_info.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef SIOCOUTQ
#define SIOCOUTQ 0x5411 /* linux/sockios.h */
#endif

/* The head of struct tcp_info of linux/tcp.h, of which not every libc knows so much. */
struct info {
	uint8_t state, other[7];
	uint32_t before_sent[9], last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	uint32_t before_rates[11];
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
};

static_assert(offsetof(struct info, last_data_sent) == 44, "kernel ABI");
static_assert(offsetof(struct info, bytes_acked) == 120, "kernel ABI");
static_assert(sizeof(struct info) == 160, "kernel ABI");

bool tcp_info_read(const void *info, size_t len, struct idle_sample *ret)
{
	struct info i;

	if (len < sizeof(i))
		return false;
	memcpy(&i, info, sizeof(i));
	*ret = (struct idle_sample){
		.received = i.bytes_received,
		.written = i.bytes_acked,
		.requests = i.data_segs_in,
		.acks = i.segs_out - i.data_segs_out,
		.received_ms = i.last_data_recv,
		.sent_ms = i.last_data_sent,
		.acked_ms = i.last_ack_recv,
	};
	return true;
}

int tcp_info_ask(int fd, struct idle_sample *ret)
{
	_Alignas(struct info) char info[TCP_INFO_BYTES];
	socklen_t len = sizeof(info);
	int unread, unacked;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) < 0)
		return errno == EOPNOTSUPP || errno == ENOPROTOOPT ? -ENOTCONN : -errno;
	if (((struct info *)(void *)info)->state != TCP_ESTABLISHED)
		return -ENOTCONN;
	if (!tcp_info_read(info, len, ret))
		return -ENOTCONN;
	if (ioctl(fd, FIONREAD, &unread) < 0 || ioctl(fd, SIOCOUTQ, &unacked) < 0)
		return -errno;
	ret->unread = (uint32_t)unread;
	ret->unacked = (uint32_t)unacked;
	ret->written += ret->unacked;
	return 0;
}

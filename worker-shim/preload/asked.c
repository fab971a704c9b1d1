#include "asked.h"

#include "bound.h"
#include "real.h"
#include "slot.h"

#include <netinet/in.h>

/* Numbers where a libc may lack the name. */
#define OPT_GET_FILTER 26
#define OPT_ATTACH_BPF 50

static const struct unkept {
	int level, name;
	const char *text;
} unkept[] = {
	{ SOL_SOCKET, OPT_GET_FILTER, "SO_ATTACH_FILTER" },
	{ SOL_SOCKET, OPT_ATTACH_BPF, "SO_ATTACH_BPF" },
	{ SOL_SOCKET, 51, "SO_ATTACH_REUSEPORT_CBPF" },
	{ SOL_SOCKET, 52, "SO_ATTACH_REUSEPORT_EBPF" },
	{ IPPROTO_TCP, 14, "TCP_MD5SIG" },
	{ IPPROTO_TCP, 32, "TCP_MD5SIG_EXT" },
	{ IPPROTO_TCP, 38, "TCP_AO_ADD_KEY" },
	{ IPPROTO_IP, 16, "IP_IPSEC_POLICY" },
	{ IPPROTO_IP, 17, "IP_XFRM_POLICY" },
	{ IPPROTO_IPV6, 34, "IPV6_IPSEC_POLICY" },
	{ IPPROTO_IPV6, 35, "IPV6_XFRM_POLICY" },
};

static const struct {
	int level, name;
} kept[] = {
	{ SOL_SOCKET, SO_BINDTODEVICE },
	{ SOL_SOCKET, 62 /* SO_BINDTOIFINDEX */ },
	{ SOL_SOCKET, 36 /* SO_MARK */ },
	{ SOL_SOCKET, 49 /* SO_INCOMING_CPU */ },
	{ IPPROTO_IP, 19 /* IP_TRANSPARENT */ },
	{ IPPROTO_IP, 21 /* IP_MINTTL */ },
	{ IPPROTO_IPV6, 73 /* IPV6_MINHOPCOUNT */ },
	{ IPPROTO_IPV6, 75 /* IPV6_TRANSPARENT */ },
	{ IPPROTO_TCP, 9 /* TCP_DEFER_ACCEPT */ },
	{ IPPROTO_TCP, 23 /* TCP_FASTOPEN */ },
};

#define N_UNKEPT (sizeof(unkept) / sizeof(unkept[0]))
#define N_KEPT	 (sizeof(kept) / sizeof(kept[0]))

/* What the kernel does not tell later: inodes of sockets, shifted, with an index of unkept[]. */
#define NOTES 64
static _Atomic uint64_t notes[NOTES];
static _Atomic unsigned n_notes;

bool asked_is_kept(int level, int name)
{
	for (size_t i = 0; i < N_KEPT; i++)
		if (kept[i].level == level && kept[i].name == name)
			return true;
	return false;
}

static const struct unkept *find_unkept(int level, int name)
{
	for (size_t i = 0; i < N_UNKEPT; i++)
		if (unkept[i].level == level && unkept[i].name == name)
			return &unkept[i];
	return NULL;
}

const char *asked_unkept_name(int level, int name)
{
	const struct unkept *found = find_unkept(level, name);

	return found ? found->text : NULL;
}

void asked_note(int fd, int level, int name)
{
	const struct unkept *found = find_unkept(level, name);
	_keep_errno_ int saved = errno;

	/* A filter can be detached again, and read. */
	if (found && name != OPT_GET_FILTER && name != OPT_ATTACH_BPF)
		atomic_store(&notes[atomic_fetch_add(&n_notes, 1) % NOTES],
			     slot_socket_ino(fd) << 8 | (uint64_t)(found - unkept));
}

/* The option that attached a filter of the app's, as that of bound.h is ours; 0: there is none. */
static int filter_option(int fd)
{
	struct handoff_addr unused;
	socklen_t n = 0;

	/* What is no classic filter cannot be read. */
	if (real.getsockopt(fd, SOL_SOCKET, OPT_GET_FILTER, NULL, &n) < 0)
		return errno == EACCES ? OPT_ATTACH_BPF : 0;
	return n > 0 && !bound_read(fd, &unused) ? OPT_GET_FILTER : 0;
}

const char *asked_unkept(int fd)
{
	_keep_errno_ int saved = errno;
	uint64_t ino = slot_socket_ino(fd);
	int filter = filter_option(fd);

	if (filter)
		return asked_unkept_name(SOL_SOCKET, filter);
	for (size_t i = 0; i < NOTES; i++) {
		uint64_t note = atomic_load(&notes[i]);

		if (note && note >> 8 == ino)
			return unkept[note & 0xff].text;
	}
	return NULL;
}

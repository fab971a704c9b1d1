/* links: broker/base/address broker/base/units broker/base/strbuf broker/base/paths */
/* links: worker-shim/preload/addr */
/*
 * What comes over a socket between broker and worker, and the name of one. A message that passes
 * the check can be used without another look at it.
 */
#include "handoff_name.h"
#include "handoff_wire.h"
#include "base/address.h"
#include "preload/addr.h"
#include "fuzz.h"

static void use_addr(const struct handoff_addr *addr)
{
	const int domains[] = { AF_INET, AF_INET6, AF_UNIX };
	struct sockaddr_storage ss;
	char text[ADDR_TEXT_SIZE];

	MUST(handoff_addr_ok(addr) && address_equal(addr, addr));
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
		MUST(addr_to_sockaddr(addr, domains[i], &ss) <= (socklen_t)sizeof(ss));
	if (addr->family == 4 || addr->family == 6) {
		MUST(addr_format(addr, text) < text + sizeof(text));
		MUST(*address_text(addr).text);
		MUST(address_overlap(addr, addr));
	}
}

static void use_message(const void *bytes, enum handoff_type type)
{
	const struct handoff_hello *hello = bytes;
	const struct handoff_welcome *welcome = bytes;
	const struct handoff_refused *refused = bytes;
	const struct handoff_conn *conn = bytes;
	const struct handoff_join *join = bytes;
	const struct handoff_joined *joined = bytes;
	const struct handoff_move *move = bytes;

	switch (type) {
	case HANDOFF_HELLO:
		MUST(strlen(hello->service) < sizeof(hello->service));
		MUST(strlen(hello->path) < sizeof(hello->path));
		MUST(hello->addr.family != 0);
		use_addr(&hello->addr);
		return;
	case HANDOFF_WELCOME:
		MUST(strlen(welcome->path) < sizeof(welcome->path));
		use_addr(&welcome->addr);
		return;
	case HANDOFF_REFUSED:
		MUST(strlen(refused->reason) < sizeof(refused->reason) && refused->error);
		return;
	case HANDOFF_CONN:
		use_addr(&conn->peer);
		return;
	case HANDOFF_JOIN:
		MUST(strlen(join->service) < sizeof(join->service));
		return;
	case HANDOFF_JOINED:
		MUST(joined->n_ports <= HANDOFF_PORTS_MAX);
		MUST(strlen(joined->worker) < sizeof(joined->worker));
		MUST(joined->rendezvous[0] == '/');
		return;
	case HANDOFF_NUDGE:
	case HANDOFF_NOTICE:
	case HANDOFF_OFFER:
		return;
	case HANDOFF_MOVE:
		MUST(move->n_ports <= HANDOFF_MOVE_PORTS);
		return;
	}
}

/* The name of a channel is its own form: what is read of one makes the same name again. */
static void use_name(const void *bytes, size_t size)
{
	char again[HANDOFF_NAME_SIZE];
	struct handoff_name name;

	if (!handoff_name_get(bytes, size, &name))
		return;
	handoff_name_put(again, &name);
	MUST(size == sizeof(again) && !memcmp(again, bytes, size));
	use_addr(&name.addr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *bytes = fuzz_bytes(data, size);
	unsigned passed = 0;

	for (int type = HANDOFF_HELLO; type <= HANDOFF_OFFER; type++)
		if (handoff_check(bytes, size, (enum handoff_type)type)) {
			passed++;
			use_message(bytes, (enum handoff_type)type);
		}
	MUST(passed <= 1);
	use_name(bytes, size);
	free(bytes);
	return 0;
}

/* links: broker/policy/kept broker/master/keep broker/base/strbuf */
#include "policy/kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "master/master.h"
#include "service/types.h"
#include "tap.h"

/* --- a broker that nobody has started -------------------------------------------------- */

static struct master master;
static struct service service;
static struct worker worker;
static struct endpoint endpoint;
static struct listener fed, unfed;
static struct pending_conn pending;
static struct channel channel;
static struct channel_holder holder;
static struct pin pin = { .kind = PIN_BY_HAND };

static void start(void)
{
	list_init(&master.broker.services);
	master.broker.given.conn = 1ull << 40;
	master.started_ms = 77;

	strcpy(service.name, "web");
	service.want = 2;
	service.generation = 5;
	service.slots[1].restarts = 3;
	list_init(&service.workers);
	list_append(&master.broker.services, &service.link);
	service.dispatch.ledger.accepted = 1234;
	list_init(&service.dispatch.endpoints);
	list_init(&service.dispatch.listeners);
	list_init(&service.dispatch.takers);
	service.dispatch.pins.n = 1;
	service.dispatch.pins.pin = &pin;

	worker.id = 9;
	worker.pid = 4711;
	worker.state = WORKER_DRAINING;
	memset(worker.token, 0xa5, sizeof(worker.token));
	list_append(&service.workers, &worker.link);
	list_init(&worker.taker.channels);
	list_append(&service.dispatch.takers, &worker.taker.link);

	unfed.fd = 11;
	list_append(&service.dispatch.listeners, &unfed.link);
	fed.fd = 12;
	fed.endpoint = &endpoint;
	list_append(&service.dispatch.listeners, &fed.link);

	endpoint.dispatch = &service.dispatch;
	endpoint.app_addr.port = 3000;
	list_init(&endpoint.listeners);
	list_init(&endpoint.pending);
	list_append(&service.dispatch.endpoints, &endpoint.link);
	list_append(&endpoint.listeners, &fed.endpoint_link);
	pending.fd = 13;
	pending.conn.id = 99;
	list_append(&endpoint.pending, &pending.link);

	channel.tx = 14;
	channel.rx = 15;
	channel.sent = 1000;
	channel.worker = worker.id;
	channel.endpoint = &endpoint;
	list_init(&channel.holders);
	list_append(&worker.taker.channels, &channel.link);
	holder.pid = 4712;
	holder.fd = 16;
	list_append(&channel.holders, &holder.link);
}

static struct strbuf keep(void)
{
	struct strbuf out = STRBUF_GROWS(1 << 20);

	if (!master.started_ms)
		start();
	master_keep(&master, &out);
	CHECK(!out.cut);
	return out;
}

/* --- tests ------------------------------------------------------------------------------- */

/* Every kind there is, in the order that says what belongs to what, byte for byte. */
TEST(what_is_kept_is_read_back)
{
	static const struct {
		enum kept_kind kind;
		const void *record;
		size_t size;
	} want[] = {
		{ KEPT_BROKER, &master.broker.kept, sizeof(master.broker.kept) },
		{ KEPT_MASTER, &master.kept, sizeof(master.kept) },
		{ KEPT_SERVICE, &service.kept, sizeof(service.kept) },
		{ KEPT_DISPATCH, &service.dispatch.kept, sizeof(service.dispatch.kept) },
		{ KEPT_SLOT, &service.slots[0].kept, sizeof(service.slots[0].kept) },
		{ KEPT_SLOT, &service.slots[1].kept, sizeof(service.slots[1].kept) },
		{ KEPT_PIN, &pin, sizeof(struct kept_pin) },
		{ KEPT_WORKER, &worker.kept, sizeof(worker.kept) },
		{ KEPT_LISTENER, &unfed.kept, sizeof(unfed.kept) },
		{ KEPT_ENDPOINT, &endpoint.kept, sizeof(endpoint.kept) },
		{ KEPT_LISTENER, &fed.kept, sizeof(fed.kept) },
		{ KEPT_PENDING, &pending.kept, sizeof(pending.kept) },
		{ KEPT_CHANNEL, &channel.kept, sizeof(channel.kept) },
		{ KEPT_HOLDER, &holder.kept, sizeof(holder.kept) },
	};
	struct strbuf out = keep();
	bool seen[KEPT_KIND_N] = { false };
	struct kept_reader r;
	enum kept_kind kind;
	STRBUF(why, 256);

	CHECK_EQ(kept_open(&r, out.text, out.len, &why), 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const void *record = kept_next(&r, &kind);

		CHECK(record);
		CHECK_EQ(kind, want[i].kind);
		CHECK_EQ((uintptr_t)record % 8, 0);
		CHECK(!memcmp(record, want[i].record, want[i].size));
		seen[kind] = true;
	}
	CHECK(!kept_next(&r, &kind));
	for (enum kept_kind k = 0; k < KEPT_KIND_N; k++)
		CHECK(seen[k]);
	strbuf_deinit(&out);
}

/* An object's fields are its record's: there is no second copy that could differ. */
TEST(a_record_is_a_part_of_its_object)
{
	struct listener l = { 0 };

	l.fd = 5;
	CHECK_EQ(l.kept.fd, 5);
	l.kept.accepted = 6;
	CHECK_EQ(l.accepted, 6);
}

TEST(each_damaged_byte_is_found)
{
	struct strbuf out = keep();
	struct kept_reader r;

	for (size_t i = 0; i < out.len; i++) {
		STRBUF(why, 256);

		out.text[i] ^= 0x10;
		CHECK_EQ(kept_open(&r, out.text, out.len, &why), -EPROTO);
		CHECK(why.len > 0);
		out.text[i] ^= 0x10;
	}
	for (size_t len = 0; len < out.len; len++) {
		STRBUF(why, 256);
		/* Its own memory, so that a look behind the end is seen. */
		void *cut = malloc(len ? len : 1);

		CHECK(cut);
		memcpy(cut, out.text, len);
		CHECK_EQ(kept_open(&r, cut, len, &why), -EPROTO);
		free(cut);
	}
	strbuf_deinit(&out);
}

TEST(another_version_is_refused_by_its_number)
{
	struct strbuf out = keep();
	struct kept_reader r;
	STRBUF(why, 256);

	out.text[out.len - 12]++;
	CHECK_EQ(kept_open(&r, out.text, out.len, &why), -EPROTO);
	CHECK(strstr(why.text, "version 5") && strstr(why.text, "version 4"));
	strbuf_deinit(&out);
}

/* The checksum is right, and yet a record has another size: a program that was built otherwise. */
TEST(a_record_of_another_size_is_refused)
{
	struct strbuf out = STRBUF_GROWS(4096);
	struct kept_reader r;
	STRBUF(why, 256);
	uint32_t size;

	kept_add(&out, KEPT_HOLDER, &holder.kept);
	memcpy(&size, out.text + 4, sizeof(size));
	CHECK_EQ(size, sizeof(holder.kept));
	size += 8;
	memcpy(out.text + 4, &size, sizeof(size));
	kept_end(&out);
	CHECK_EQ(kept_open(&r, out.text, out.len, &why), -EPROTO);
	CHECK(strstr(why.text, "size"));
	strbuf_deinit(&out);
}

TAP_MAIN()

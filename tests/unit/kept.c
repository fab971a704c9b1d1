/* links: broker/policy/kept broker/base/strbuf */
#include "policy/kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tap.h"

static const struct kept_listener listener = { .fd = 11, .id = 3, .accepted = 1234 };
static const struct kept_channel channel = { .tx = 14, .rx = 15, .page_fd = -1, .sent = 1000 };
static const struct kept_holder holder = { .pid = 4712, .fd = 16 };

static struct strbuf begin(void)
{
	return STRBUF_GROWS(1 << 20);
}

static struct strbuf keep(void)
{
	struct strbuf out = begin();

	kept_add(&out, KEPT_LISTENER, &listener);
	kept_add_text(&out, KEPT_REFUSAL, "no such file", 12);
	kept_add_text(&out, KEPT_OUTPUT, "", 0);
	kept_add(&out, KEPT_CHANNEL, &channel);
	kept_add(&out, KEPT_HOLDER, &holder);
	kept_end(&out);
	CHECK(!out.cut);
	return out;
}

/* The next record is of @kind, aligned, and its first @size bytes are those of @record. */
static void check_next(struct kept_reader *r, enum kept_kind kind, const void *record, size_t size)
{
	enum kept_kind found = KEPT_KIND_N;
	const void *next = kept_next(r, &found);

	CHECK(next);
	CHECK_EQ(found, kind);
	CHECK_EQ((uintptr_t)next % 8, 0);
	CHECK(next && !memcmp(next, record, size));
}

TEST(what_was_added_is_read_back_in_its_order)
{
	static const int fds[] = { 11, 14, 15, 16 };
	struct strbuf out = keep();
	struct kept_reader r;
	enum kept_kind kind;
	STRBUF(why, 256);

	CHECK_EQ(kept_open(&r, out.text, out.len, &why), 0);
	check_next(&r, KEPT_LISTENER, &listener, sizeof(listener));
	check_next(&r, KEPT_REFUSAL, "no such file", 12);
	CHECK_EQ(r.size, 12);
	check_next(&r, KEPT_CHANNEL, &channel, sizeof(channel));
	check_next(&r, KEPT_HOLDER, &holder, sizeof(holder));
	/* All descriptors, for any program. */
	check_next(&r, KEPT_FDS, fds, sizeof(fds));
	CHECK_EQ(r.size, sizeof(fds));
	CHECK(!kept_next(&r, &kind));
	strbuf_deinit(&out);
}

TEST(each_kind_has_a_name)
{
	for (enum kept_kind k = 0; k < KEPT_KIND_N; k++)
		CHECK(kept_kind_names[k] && *kept_kind_names[k]);
}

TEST(descriptors_below_3_and_none_are_not_ours)
{
	const struct kept_worker w = { .pidfd = -1, .status_fd = 0, .output_fd = 9 };
	int fds[KEPT_FDS_MAX];

	CHECK_EQ(kept_fds(KEPT_WORKER, &w, fds), 1);
	CHECK_EQ(fds[0], 9);
	CHECK_EQ(kept_fds(KEPT_SLOT, &(struct kept_slot){ .restarts = 1 }, fds), 0);
}

struct object {
	KEPT(kept_listener);
};

/* An object's fields are its record's: there is no second copy that could differ. */
TEST(a_record_is_a_part_of_its_object)
{
	struct object l = { .kept = { .fd = 5 } };

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

/* A record as another version would write it: a header, and @size bytes that are all @fill. */
static void add_foreign(struct strbuf *out, uint32_t kind, uint32_t size, int fill)
{
	const uint32_t header[] = { kind, size };
	char bytes[4096];

	memset(bytes, fill, sizeof(bytes));
	strbuf_add_bytes(out, header, sizeof(header));
	strbuf_add_bytes(out, bytes, size + -size % 8);
}

TEST(a_longer_record_of_a_newer_program_is_cut)
{
	struct strbuf out = begin();
	struct kept_holder want;
	struct kept_reader r;
	STRBUF(why, 256);

	memset(&want, 'x', sizeof(want));
	add_foreign(&out, KEPT_HOLDER, sizeof(want) + 40, 'x');
	kept_add(&out, KEPT_LISTENER, &listener);
	kept_end(&out);
	CHECK_EQ(kept_open(&r, out.text, out.len, &why), 0);
	check_next(&r, KEPT_HOLDER, &want, sizeof(want));
	check_next(&r, KEPT_LISTENER, &listener, sizeof(listener));
	strbuf_deinit(&out);
}

TEST(a_shorter_record_of_an_older_program_has_zeros_behind_it)
{
	const size_t had = offsetof(struct kept_listener, hidden);
	struct kept_listener want = { .fd = 0 };
	struct strbuf out = begin();
	struct kept_reader r;
	STRBUF(why, 256);

	memset(&want, 7, had);
	/* What a longer one leaves behind must not shine through. */
	add_foreign(&out, KEPT_LISTENER, sizeof(want) - 8, 'x');
	add_foreign(&out, KEPT_LISTENER, (uint32_t)had, 7);
	kept_end(&out);
	CHECK_EQ(kept_open(&r, out.text, out.len, &why), 0);
	CHECK(kept_next(&r, &(enum kept_kind){ 0 }));
	check_next(&r, KEPT_LISTENER, &want, sizeof(want));
	strbuf_deinit(&out);
}

TEST(an_unknown_kind_is_passed_over_if_it_may_be)
{
	for (int optional = 0; optional < 2; optional++) {
		struct strbuf out = begin();
		struct kept_reader r;
		STRBUF(why, 256);

		add_foreign(&out, (KEPT_KIND_N + 5) | (optional ? KEPT_OPTIONAL : 0), 24, 'x');
		kept_add(&out, KEPT_LISTENER, &listener);
		kept_end(&out);
		CHECK_EQ(kept_open(&r, out.text, out.len, &why), optional ? 0 : -EPROTO);
		if (optional)
			check_next(&r, KEPT_LISTENER, &listener, sizeof(listener));
		else
			CHECK(strstr(why.text, "does not know"));
		strbuf_deinit(&out);
	}
}

TAP_MAIN()

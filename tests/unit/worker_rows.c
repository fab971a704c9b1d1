/* links: broker/report/workers broker/policy/why broker/policy/worker_fsm */
/* links: broker/base/units broker/base/json broker/base/strbuf broker/base/address */
/* links: broker/base/paths */
#include "report/workers.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "dispatch/channel.h"
#include "service/fill.h"
#include "service/listeners.h"
#include "worker/children.h"
#include "worker/clock.h"
#include "worker/explain.h"
#include "tap.h"

#define SLOTS 3

/* --- a service of workers that nobody has started ------------------------------------ */

static struct broker broker;
static struct service_conf conf;
static struct service service;
static uint64_t next_id;

const struct slot_trouble *service_trouble(const struct service *s, unsigned slot)
{
	(void)s;
	(void)slot;
	return NULL;
}

const struct endpoint *service_endpoint_of_others(const struct worker *w)
{
	(void)w;
	return NULL;
}

const char *channel_backend(const struct channel *c)
{
	return c ? "preload" : NULL;
}

int64_t worker_deadline_left(const struct worker *w)
{
	(void)w;
	return -1;
}

unsigned worker_children_running(const struct worker *w, uint64_t *ret_oldest_ns)
{
	(void)w;
	*ret_oldest_ns = 0;
	return 0;
}

bool worker_is_found_debugged(const struct worker *w)
{
	(void)w;
	return false;
}

void worker_add_missing(const struct worker *w, const char *before, struct strbuf *out)
{
	(void)w, (void)before, (void)out;
}

unsigned channel_backlog(const struct channel *c)
{
	return c->member.waiting;
}

static void fake_start(void)
{
	service.broker = service.dispatch.broker = &broker;
	strcpy(service.name, "web");
	service.dispatch.service = service.name;
	service.terms.live = &conf;
	service.terms.dispatch = &service.dispatch;
	service.conf = &conf;
	service.want = SLOTS;
	list_init(&service.workers);
}

/* @slot: UINT_MAX is a guest. It is the one of its slot, and its pid is its id. */
static struct worker *worker_comes(unsigned slot)
{
	struct worker *w = calloc(1, sizeof(*w));

	CHECK(w);
	w->terms = &service.terms;
	w->conf = &conf;
	w->id = ++next_id;
	w->pid = (pid_t)w->id;
	w->slot = slot;
	w->guest = slot == UINT_MAX;
	w->generation = 1;
	w->state = WORKER_READY;
	list_init(&w->taker.channels);
	list_append(&service.workers, &w->link);
	if (!w->guest)
		service.slots[slot].current = w;
	return w;
}

static void worker_leaves(struct worker *w)
{
	if (!w->guest && service.slots[w->slot].current == w)
		service.slots[w->slot].current = NULL;
	list_remove(&w->link);
	free(w);
}

static void fake_stop(void)
{
	list_for_each_safe (struct worker, w, tmp, &service.workers, link)
		worker_leaves(w);
}

/* Of each line the slot and the pid: "0:1 1:- g:2", g is a guest and - nobody. Frees @out. */
static const char *lines_of(struct strbuf *out)
{
	static char said[256];
	char *line, *rest;

	said[0] = '\0';
	strbuf_add_bytes(out, "", 1);
	CHECK(!out->cut);
	for (line = strtok_r(out->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const char *slot = strstr(line, "\"slot\":"), *pid = strstr(line, "\"pid\":");
		size_t n = strlen(said);

		CHECK(slot && pid);
		(void)snprintf(said + n, sizeof(said) - n, "%s%c:%c", n ? " " : "",
			       slot[7] == 'n' ? 'g' : slot[7], pid[6] == 'n' ? '-' : pid[6]);
	}
	strbuf_deinit(out);
	return said;
}

/* --- tests --------------------------------------------------------------------------- */

TEST(each_slot_has_its_line_in_order_and_guests_are_last)
{
	struct strbuf out = STRBUF_GROWS(1 << 16);

	fake_start();
	(void)worker_comes(UINT_MAX);
	(void)worker_comes(2);
	(void)worker_comes(0);
	CHECK_EQ(workers_write(&service, 0, UINT_MAX, &out), 0);
	CHECK_STR(lines_of(&out), "0:3 1:- 2:2 g:1");
	fake_stop();
}

TEST(the_older_of_a_slot_comes_first_and_rows_are_added_behind_others)
{
	struct strbuf out = STRBUF_GROWS(1 << 16);

	fake_start();
	(void)worker_comes(1);
	worker_comes(1)->generation = 0;
	(void)worker_comes(0);
	CHECK_EQ(workers_write(&service, 0, UINT_MAX, &out), 0);
	CHECK_EQ(workers_write(&service, 0, UINT_MAX, &out), 0);
	CHECK_STR(lines_of(&out), "0:3 1:2 1:1 2:- 0:3 1:2 1:1 2:-");
	fake_stop();
}

TEST(one_slot_alone_has_those_in_it_or_that_it_is_empty)
{
	struct strbuf out = STRBUF_GROWS(1 << 16);

	fake_start();
	(void)worker_comes(UINT_MAX);
	(void)worker_comes(1);
	worker_comes(1)->generation = 0;
	(void)worker_comes(2);
	CHECK_EQ(workers_write(&service, 1, 1, &out), 0);
	CHECK_STR(lines_of(&out), "1:3 1:2");
	CHECK_EQ(workers_write(&service, 0, 0, &out), 0);
	CHECK_STR(lines_of(&out), "0:-");
	fake_stop();
}

static const char *line_of(unsigned slot)
{
	static char line[1024];
	struct strbuf out = STRBUF_GROWS(1 << 16);

	CHECK_EQ(workers_write(&service, slot, slot, &out), 0);
	CHECK(!out.cut && out.len < sizeof(line));
	memcpy(line, out.text, out.len);
	line[out.len] = '\0';
	strbuf_deinit(&out);
	return line;
}

/* Three were sent through each of two channels, and one of each was taken back. */
TEST(a_worker_has_taken_what_is_in_no_channel_any_more)
{
	struct channel channels[2] = { { .kept = { .sent = 3, .taken_back = 1 } },
				       { .kept = { .sent = 3, .taken_back = 1 } } };
	struct worker *w;

	fake_start();
	w = worker_comes(0);
	w->served = 10;
	channels[1].member.waiting = 2;
	for (size_t i = 0; i < ARRAY_SIZE(channels); i++)
		list_append(&w->taker.channels, &channels[i].link);
	CHECK_CONTAINS(line_of(0), "\"given\":12,\"waiting\":2,");
	fake_stop();
}

TEST(an_empty_slot_says_for_how_long_and_why)
{
	fake_start();
	broker.loop.now_ms = 90000;
	service.slots[1].left_ms = 78000;
	CHECK_CONTAINS(line_of(0), "\"state\":\"empty\",\"state_ms\":null,");
	CHECK_CONTAINS(line_of(0), "\"why\":\"waits for its turn to start\"");
	CHECK_CONTAINS(line_of(1), "\"state\":\"empty\",\"state_ms\":12000,");

	service.last_failure_ms = 89000;
	service.backoff.failures = 1;
	service.backoff.until_ms = 99000;
	CHECK_CONTAINS(line_of(1), "\"state\":\"back-off\",\"state_ms\":1000,");
	/* Then nothing is waited for. */
	service.dispatch.stopping = true;
	CHECK_CONTAINS(line_of(1), "\"state\":\"empty\",\"state_ms\":12000,");
	CHECK_CONTAINS(line_of(1), "\"why\":\"no worker: the service is stopping\"");
	fake_stop();
}

TEST(a_slot_that_is_not_wanted_any_more_has_a_line_while_somebody_is_in_it)
{
	struct strbuf out = STRBUF_GROWS(1 << 16);

	fake_start();
	(void)worker_comes(0);
	(void)worker_comes(2);
	service.want = 1;
	CHECK_EQ(workers_write(&service, 0, UINT_MAX, &out), 0);
	CHECK_STR(lines_of(&out), "0:1 2:2");
	fake_stop();
}

TAP_MAIN()

#include "children.h"

#include "dispatch/channel.h"
#include "sys/log.h"

static struct handoff_processes *table_of(const struct channel *c)
{
	return c->page.fd >= 0 && c->taker->processes ? handoff_processes_of(c->page.map) : NULL;
}

static uint64_t duration_of(const struct handoff_process *e)
{
	return e->ended_ns > e->taken_ns ? e->ended_ns - e->taken_ns : 0;
}

/* @e is a copy: the worker may write what it likes into its own meanwhile. */
static void say_end(const struct worker *w, const struct handoff_process *e)
{
	static const struct handoff_addr unknown;
	const struct address_text client =
		address_text(handoff_addr_ok(&e->peer) ? &e->peer : &unknown);
	int64_t ms = (int64_t)(duration_of(e) / NSEC_PER_MSEC);
	bool good = e->status == 0;
	enum conf_log_ends which = w->terms->live->log_connections;
	STRBUF(how, 64);

	if (which == LOG_ENDS_NO || (good && which == LOG_ENDS_FAILURES))
		return;
	worker_end_add_status(e->status, &how);
	log_event(good ? LEVEL_INFO : LEVEL_WARN, "connection-end", LOG_WORKER_PID(w, e->pid),
		  LOG_INT("connection", e->conn), LOG_STR("client", client.text),
		  LOG_STR("how", how.text), LOG_INT("ms", ms), LOG_INT("cpu_us", e->cpu_us),
		  LOG_MSG("connection %llu of %s: %s after %lld ms", (unsigned long long)e->conn,
			  client.text, how.text, (long long)ms));
}

void worker_children_look(struct taker *t, struct channel *c)
{
	struct worker *w = container_of(t, struct worker, taker);
	struct handoff_processes *table = table_of(c);
	unsigned n = 0;

	if (!table)
		return;
	/* First: an end that comes from now on is told again. */
	__atomic_store_n(&table->told, 0, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < t->processes; i++) {
		struct handoff_process *e = &table->of[i], copy;

		if (__atomic_load_n(&e->state, __ATOMIC_ACQUIRE) != HANDOFF_PROCESS_ENDED)
			continue;
		copy = *e;
		__atomic_store_n(&e->state, HANDOFF_PROCESS_FREE, __ATOMIC_RELEASE);
		/* No more ends are believed than there can be. */
		if (!copy.conn || n == channel_in_use(c))
			continue;
		w->terms->ends[copy.status == 0		? METRICS_GOOD
			       : WIFEXITED(copy.status) ? METRICS_FAILED
							: METRICS_KILLED]++;
		histogram_add(&w->terms->lasted, duration_of(&copy));
		say_end(w, &copy);
		n++;
	}
	channel_ended(c, n);
}

int worker_children_swap_debug(const struct worker *w, int from, int to)
{
	const struct channel *c = list_first(&w->taker.channels, struct channel, link);
	struct handoff_processes *table = c ? table_of(c) : NULL;

	if (table)
		(void)__atomic_compare_exchange_n(&table->debug, &from, to, false, __ATOMIC_SEQ_CST,
						  __ATOMIC_SEQ_CST);
	return table ? from : -1;
}

bool worker_children_find(const struct worker *w, pid_t pid, struct handoff_process *ret)
{
	static const struct handoff_addr unknown;
	const struct channel *c = list_first(&w->taker.channels, struct channel, link);
	const struct handoff_processes *table = c ? table_of(c) : NULL;

	for (unsigned i = 0; table && i < w->taker.processes; i++)
		if (table->of[i].pid == pid) {
			*ret = table->of[i];
			if (!handoff_addr_ok(&ret->peer))
				ret->peer = unknown;
			return true;
		}
	return false;
}

unsigned worker_children_running(const struct worker *w, uint64_t *ret_oldest_ns)
{
	unsigned n = 0;

	*ret_oldest_ns = 0;
	list_for_each (const struct channel, c, &w->taker.channels, link) {
		const struct handoff_processes *table = table_of(c);

		for (unsigned i = 0; table && i < w->taker.processes; i++) {
			const struct handoff_process *e = &table->of[i];

			if (__atomic_load_n(&e->state, __ATOMIC_ACQUIRE) != HANDOFF_PROCESS_TAKEN)
				continue;
			if (!*ret_oldest_ns || e->taken_ns < *ret_oldest_ns)
				*ret_oldest_ns = e->taken_ns;
			n++;
		}
	}
	return n;
}

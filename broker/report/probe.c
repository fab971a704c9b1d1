#include "probe.h"

#include "master/master.h"
#include "service/questions.h"

bool probe_ready(const struct master *m, struct buf *out)
{
	const struct service *s;
	bool ready = true;

	if (m->broker.stopping) {
		buf_add_str(out, "the broker is stopping\n");
		return false;
	}
	list_for_each (s, &m->broker.services, link) {
		/* Gone from the configuration: it only finishes what it has. */
		if (s->dispatch.stopping)
			continue;
		if (s->dispatch.paused) {
			buf_addf(out, "%s: paused\n", service_name(s));
			ready = false;
		} else if (!service_is_serving(s)) {
			buf_addf(out, "%s: %s (of %u)\n", service_name(s),
				 s->all_ill		? "all workers fail their check"
				 : service_has_round(s) ? "no ready worker takes connections"
							: "no worker is ready",
				 s->want);
			ready = false;
		}
	}
	if (ready)
		buf_add_str(out, "ok\n");
	return ready;
}

void probe_agent(const struct master *m, struct buf *out)
{
	uint64_t ready = 0, wanted = 0, percent;
	bool down = false, open = false;
	const struct service *s;

	list_for_each (s, &m->broker.services, link) {
		if (s->dispatch.stopping)
			continue;
		/* One address stands for all services: what one of them lacks, the whole lacks. */
		open = open || !s->dispatch.paused;
		down = down || s->dispatch.paused || !service_is_serving(s);
		ready += service_count_well(s);
		wanted += s->want;
	}
	percent = wanted ? (ready * 100 + wanted / 2) / wanted : 0;
	if (m->broker.stopping || !open)
		buf_add_str(out, "drain\n");
	else if (down || wanted == 0)
		buf_add_str(out, "down\n");
	else
		buf_addf(out, "ready up %u%%\n", percent < 1 ? 1 : (unsigned)percent);
}

#include "reload.h"

#include <string.h>
#include "ctl/ask.h"
#include "ctl/lines_text.h"
#include "ctl/out.h"
#include "sys/loop.h"

#define TEXT_MAX (1 << 20)

struct reload {
	struct ask ask;
	struct lines_bar bar;
	bool has_bar;
	int64_t began_ms;
	const char *what;   /* reload, restart or rollback */
	unsigned n_changes; /* lines of --plan */
	unsigned n_progress;
};

static void show_bar(struct ask *ask)
{
	struct reload *r = container_of(ask, struct reload, ask);
	struct buf text = BUF_INIT(TEXT_MAX);
	struct screen screen = out_screen();

	if (!r->has_bar || !out_is_terminal())
		return;
	lines_add_bar(&r->bar, loop_clock_ms() - r->began_ms, &screen, &text);
	out_progress(&text);
}

static bool is_on_the_way(const char *phase)
{
	static const char *const phases[] = { "begin", "wait", "start", "ready", "retire" };

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		if (!strcmp(phases[i], phase))
			return true;
	return false;
}

static bool take_line(struct ask *ask, const struct json_value *line)
{
	struct reload *r = container_of(ask, struct reload, ask);
	const char *phase = json_doc_text(line, "phase");
	struct buf text = BUF_INIT(TEXT_MAX);
	struct screen screen = out_screen();

	if (lines_add_change(line, &screen, &text)) {
		r->n_changes++;
		out_buf(&text);
		return true;
	}
	if (strcmp(json_doc_text(line, "type"), "progress") != 0)
		return true;
	r->n_progress++;
	/* Steps on the way are in the bar. How a service ended stays to be read. */
	r->has_bar = is_on_the_way(phase);
	lines_bar_read(line, &r->bar);
	if (out_is_terminal() && r->has_bar) {
		show_bar(ask);
		return true;
	}
	/* No step, but a sign of life, for the bar. */
	if (strcmp(phase, "wait") != 0) {
		lines_add_step(line, &screen, &text);
		out_buf(&text);
	}
	return true;
}

static void interrupted(struct ask *ask)
{
	const struct reload *r = container_of(ask, struct reload, ask);

	out_error("the %s continues in the broker; brokerctl status shows it%s", r->what,
		  strcmp(r->what, "reload") == 0 ? ", brokerctl reload abort aborts it" : "");
}

enum ctl_exit ctl_reload(struct ctl *ctl)
{
	const struct request *request = &ctl->request;
	bool plan = request->command->id == COMMAND_RELOAD && request_has(request, "--plan");
	struct reload r = {
		.ask = { .line = take_line,
			 .tick = show_bar,
			 .interrupted = interrupted,
			 .patience_ms = plan ? ASK_PATIENCE_MS : -1 },
		.began_ms = loop_clock_ms(),
		.what = request->command->name,
	};
	enum ctl_exit code = ask_run(&r.ask, ctl);
	struct buf text = BUF_INIT(TEXT_MAX);

	if (code != CTL_OK || ctl->json)
		return code;
	if (plan && r.n_changes == 0)
		buf_add_str(&text, "no setting changes; a reload would replace the workers\n");
	else if (!plan && r.ask.message[0])
		text_wrap(&text, TEXT_UNLIMITED, 0, r.ask.message);
	else if (!plan && !r.n_progress)
		buf_addf(&text, "the %s has begun; brokerctl status shows it\n", r.what);
	out_buf(&text);
	return CTL_OK;
}

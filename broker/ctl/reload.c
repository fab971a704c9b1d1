#include "reload.h"

#include <string.h>
#include "ctl/ask.h"
#include "ctl/lines_text.h"
#include "ctl/out.h"
#include "ctl/progress_text.h"
#include "sys/loop.h"

#define TEXT_MAX (1 << 20)

struct reload {
	struct ask ask;
	struct progress progress; /* the last one that came */
	bool has_progress;
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

	if (!r->has_progress || !out_is_terminal())
		return;
	progress_bar_text(&r->progress, loop_clock_ms() - r->began_ms, &screen, &text);
	out_progress(&text);
}

static bool take_line(struct ask *ask, const struct json_doc *doc, const char *raw, size_t len)
{
	struct reload *r = container_of(ask, struct reload, ask);
	struct buf text = BUF_INIT(TEXT_MAX);
	struct screen screen = out_screen();

	(void)raw;
	(void)len;
	if (lines_add_change(doc, &screen, &text)) {
		r->n_changes++;
		out_buf(&text);
		return true;
	}
	if (!progress_read(doc, &r->progress))
		return true;
	r->n_progress++;
	/* Steps on the way are in the bar. How a service ended stays to be read. */
	r->has_progress = r->progress.phase < PROGRESS_DONE;
	if (out_is_terminal() && r->has_progress) {
		show_bar(ask);
		return true;
	}
	if (r->progress.phase == PROGRESS_WAIT)
		return true;
	progress_line_text(&r->progress, &screen, &text);
	out_buf(&text);
	return true;
}

static void interrupted(struct ask *ask)
{
	const struct reload *r = container_of(ask, struct reload, ask);

	out_error("the %s goes on without us; brokerctl status shows it%s", r->what,
		  strcmp(r->what, "reload") == 0 ? ", brokerctl reload abort ends it" : "");
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

#include "reload.h"

#include <string.h>
#include "ctl/ask.h"
#include "ctl/out.h"
#include "ctl/plan_text.h"
#include "ctl/progress_text.h"
#include "sys/loop.h"

#define TEXT_MAX (1 << 20)

struct reload {
	struct ask ask;
	struct progress progress; /* what came last */
	bool has_progress;
	int64_t began_ms;
	const char *what;   /* "reload", "restart" */
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

/* Steps on the way are in the bar; how a service ended stays to be read. */
static bool is_end(enum progress_phase phase)
{
	switch (phase) {
	case PROGRESS_DONE:
	case PROGRESS_ABORTED:
	case PROGRESS_REFUSED:
	case PROGRESS_OTHER:
		return true;
	case PROGRESS_BEGIN:
	case PROGRESS_WAIT:
	case PROGRESS_START:
	case PROGRESS_READY:
	case PROGRESS_RETIRE:
		break;
	}
	return false;
}

static bool take_line(struct ask *ask, const struct json_doc *doc, const char *raw, size_t len)
{
	struct reload *r = container_of(ask, struct reload, ask);
	struct buf text = BUF_INIT(TEXT_MAX);
	struct screen screen = out_screen();

	(void)raw;
	(void)len;
	if (plan_text(doc, &screen, &text)) {
		r->n_changes++;
		out_buf(&text);
		return true;
	}
	if (!progress_read(doc, &r->progress))
		return true;
	r->n_progress++;
	r->has_progress = !is_end(r->progress.phase);
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

static const char *what_is(enum command_id id)
{
	return id == COMMAND_RESTART ? "restart" : id == COMMAND_ROLLBACK ? "rollback" : "reload";
}

enum ctl_exit ctl_reload(struct ctl *ctl)
{
	const struct request *request = &ctl->request;
	enum command_id id = request->command->id;
	bool plan = id == COMMAND_RELOAD && request_has(request, "--plan");
	struct reload r = {
		.ask = { .line = take_line,
			 .tick = show_bar,
			 .interrupted = interrupted,
			 .patience_ms = plan ? ASK_PATIENCE_MS : -1 },
		.began_ms = loop_clock_ms(),
		.what = what_is(id),
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

#include "show.h"

#include <string.h>
#include "ctl/ask.h"
#include "ctl/event_text.h"
#include "ctl/out.h"
#include "ctl/plan_text.h"
#include "ctl/status_text.h"

#define LINE_TEXT_MAX (CLIENT_LINE_MAX * 8) /* escaped and in colour, a line grows */
#define TEXT_MAX      (64 << 20)

struct show {
	struct ask ask;
	struct screen screen;
	struct view view; /* what is shown when the answer is complete */
	char section[64]; /* of the configuration, where the list has come to */
};

/* Events and options are printed as they come; the lines of a status are kept for its end. */
static bool take_line(struct ask *ask, const struct json_doc *doc, const char *raw, size_t len)
{
	struct show *s = container_of(ask, struct show, ask);
	struct buf text = BUF_INIT(LINE_TEXT_MAX);

	if (event_text(doc, &s->screen, &text) ||
	    option_text(doc, &s->screen, s->section, sizeof(s->section), &text)) {
		out_buf(&text);
		return true;
	}
	/* The options in force follow all the same. */
	if (strcmp(json_doc_text(doc, "type"), "file-error") == 0)
		out_error("what the file says is not known: %s", json_doc_text(doc, "message"));
	return view_add(&s->view, raw, len) == 0;
}

static void add_pins(const struct show *s, struct buf *out)
{
	struct frame f = { .screen = { .columns = TEXT_UNLIMITED, .color = s->screen.color },
			   .out = out,
			   .left = SIZE_MAX };

	for (size_t i = 0; i < s->view.n_pins; i++)
		status_add_pin(&f, 0, &s->view.pins[i]);
	if (s->view.n_pins == 0)
		buf_add_str(out, "nothing is pinned\n");
}

/* For commands that the broker answers with nothing but "ok". */
static void confirm(const struct request *r, struct buf *out)
{
	const char *first = r->arguments[0].text, *second = r->arguments[1].text;
	const char *time;

	switch (r->command->id) {
	case COMMAND_RELOAD_ABORT:
		buf_add_str(out, "the reload is aborted: workers not yet replaced stay\n");
		break;
	case COMMAND_SCALE:
		buf_addf(out, "%s is to have %s worker%s until the next reload\n", first, second,
			 strcmp(second, "1") == 0 ? "" : "s");
		break;
	case COMMAND_HOLD:
		buf_addf(out, "%s is held: it gets no connections until brokerctl release %s\n",
			 first, first);
		break;
	case COMMAND_RELEASE:
		buf_addf(out, "%s is in the round again\n", first);
		break;
	case COMMAND_STOP:
		buf_add_str(out,
			    request_has(r, "--now")
				    ? "the broker stops\n"
				    : "the broker stops as soon as its connections are served\n");
		break;
	case COMMAND_SIGNAL:
		buf_addf(out, "%s was sent %s\n", first, second);
		break;
	case COMMAND_PIN:
		time = request_option(r, "--for")->text;
		buf_addf(out, "connections from %s go to %s%s%s\n", first, second,
			 time ? " for " : " until brokerctl unpin ", time ? time : first);
		break;
	case COMMAND_NEXT:
		buf_addf(out, "the next connection goes to %s\n", first);
		break;
	case COMMAND_UNPIN:
		buf_addf(out, "unpinned: %s\n", first);
		break;
	case COMMAND_JOIN:
		/* For programs: what they need is in the lines that --json prints. */
		buf_addf(out, "%s can be joined; worker-shim --join does it, see worker-shim(1)\n",
			 first);
		break;
	case COMMAND_STATUS:
	case COMMAND_TOP:
	case COMMAND_EVENTS:
	case COMMAND_RELOAD:
	case COMMAND_ROLLBACK:
	case COMMAND_RESTART:
	case COMMAND_DEBUG:
	case COMMAND_PINS:
	case COMMAND_CONFIG:
	case COMMAND_DOCTOR:
	case COMMAND_COMPLETION:
	case COMMAND_COMPLETE:
	case COMMAND_HELP:
		break;
	}
}

static void add_end(const struct show *s, const struct request *r, struct buf *out)
{
	if (r->command->id == COMMAND_STATUS)
		status_text(&s->view, &s->screen, out);
	else if (r->command->id == COMMAND_PINS)
		add_pins(s, out);
	else if (s->ask.message[0])
		text_wrap(out, TEXT_UNLIMITED, 0, s->ask.message);
	else
		confirm(r, out);
}

enum ctl_exit ctl_show(struct ctl *ctl)
{
	const struct request *r = &ctl->request;
	bool events = r->command->id == COMMAND_EVENTS;
	struct show s = {
		.ask = { .line = take_line,
			 .only_prints = events,
			 .patience_ms =
				 events && request_has(r, "--follow") ? -1 : ASK_PATIENCE_MS },
		.screen = out_screen(),
	};
	enum ctl_exit code = ask_run(&s.ask, ctl);
	struct buf text = BUF_INIT(TEXT_MAX);

	if (code == CTL_OK && !ctl->json) {
		add_end(&s, r, &text);
		out_buf(&text);
	}
	view_deinit(&s.view);
	return code;
}

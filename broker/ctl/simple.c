/* Commands that are asked and answered at once: a word of confirmation, or a short list. */
#include <string.h>
#include "ctl/ask.h"
#include "ctl/out.h"
#include "ctl/plan_text.h"
#include "ctl/status_text.h"

#define TEXT_MAX (1 << 20)

struct simple {
	struct ask ask;
	struct screen screen;
	struct view view; /* the pins */
	char section[64]; /* of the configuration, where the list is */
};

static bool take_line(struct ask *ask, const struct json_doc *doc, const char *raw, size_t len)
{
	struct simple *s = container_of(ask, struct simple, ask);
	struct buf text = BUF_INIT(TEXT_MAX * 4);

	/* The options in force follow all the same. */
	if (strcmp(ask_string(doc, "type"), "file-error") == 0)
		out_error("what the file says is not known: %s", ask_string(doc, "message"));
	if (option_text(doc, &s->screen, s->section, sizeof(s->section), &text))
		out_buf(&text);
	return view_add(&s->view, raw, len) == 0;
}

static void print_pins(const struct simple *s)
{
	struct buf text = BUF_INIT(TEXT_MAX);

	for (size_t i = 0; i < s->view.n_pins; i++) {
		struct text_line line;

		text_begin(&line, &text, TEXT_UNLIMITED, s->screen.color);
		status_add_pin(&s->view.pins[i], &line);
		text_end(&line);
	}
	if (s->view.n_pins == 0)
		buf_add_str(&text, "nothing is pinned\n");
	out_buf(&text);
}

/* What has happened, for commands whose answer is nothing but "ok". */
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
		/* For programs. What they need is in the lines, which --json shows. */
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
	case COMMAND_HELP:
		break;
	}
}

enum ctl_exit ctl_simple(struct ctl *ctl)
{
	struct simple s = { .ask = { .line = take_line, .patience_ms = ASK_PATIENCE_MS },
			    .screen = out_screen() };
	enum ctl_exit code = ask_typed(&s.ask, ctl);
	struct buf text = BUF_INIT(TEXT_MAX);

	if (code == CTL_OK && !ctl->json) {
		if (ctl->request.command->id == COMMAND_PINS) {
			print_pins(&s);
		} else if (s.ask.message[0]) {
			text_wrap(&text, TEXT_UNLIMITED, 0, s.ask.message);
			out_buf(&text);
		} else {
			confirm(&ctl->request, &text);
			out_buf(&text);
		}
	}
	view_deinit(&s.view);
	return code;
}

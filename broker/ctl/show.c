#include "show.h"

#include <string.h>
#include "ctl/ask.h"
#include "ctl/lines_text.h"
#include "ctl/out.h"
#include "ctl/status_text.h"

#define LINE_TEXT_MAX (CLIENT_LINE_MAX * 8) /* escaped and in colour, a line grows */
#define TEXT_MAX      (64 << 20)

struct show {
	struct ask ask;
	struct screen screen;
	struct view view; /* what is shown when the answer is complete */
	char section[64]; /* of the configuration: that of the option printed last */
};

/* Events and options are printed as they come; the lines of a status are kept for its end. */
static bool take_line(struct ask *ask, const struct json_value *line)
{
	struct show *s = container_of(ask, struct show, ask);
	struct buf text = BUF_INIT(LINE_TEXT_MAX);

	if (lines_add_event(line, &s->screen, &text) ||
	    lines_add_option(line, &s->screen, s->section, sizeof(s->section), &text)) {
		out_buf(&text);
		return true;
	}
	/* Not the end: the options in force follow. */
	if (strcmp(json_doc_text(line, "type"), "file-error") == 0)
		out_error("what the file says is not known: %s", json_doc_text(line, "message"));
	return true;
}

static void add_pins(const struct show *s, struct buf *out)
{
	struct frame f = { .screen = { .columns = TEXT_UNLIMITED, .color = s->screen.color },
			   .out = out,
			   .left = SIZE_MAX };
	const struct view_row *row = NULL;

	while ((row = view_next(&s->view, NULL, VIEW_PIN, row)))
		status_add_pin(&f, 0, row->object);
	if (!view_count(&s->view, NULL, VIEW_PIN))
		buf_add_str(out, "nothing is pinned\n");
}

/*
 * What to say if the broker answers nothing but "ok". $1 and $2 are the arguments, $3 is what is
 * particular to a command: see confirm().
 */
static const char *const confirmations[] = {
	[COMMAND_RELOAD_ABORT] = "the reload is aborted: workers not yet replaced stay",
	[COMMAND_SCALE] = "$1 is to have $2 worker$3 until the next reload",
	[COMMAND_HOLD] = "$1 is held: it gets no connections until brokerctl release $1",
	[COMMAND_RELEASE] = "$1 is in the round again",
	[COMMAND_STOP] = "the broker stops$3",
	[COMMAND_SIGNAL] = "$1 was sent $2",
	[COMMAND_PIN] = "connections from $1 go to $2$3",
	[COMMAND_NEXT] = "the next connection goes to $1",
	[COMMAND_UNPIN] = "unpinned: $1",
	/* For programs: what they need is in the lines that --json prints. */
	[COMMAND_JOIN] = "$1 accepts guests; use worker-shim --join, see worker-shim(1)",
};

static void confirm(const struct request *r, struct buf *out)
{
	enum command_id id = r->command->id;
	const char *at = id < ARRAY_SIZE(confirmations) ? confirmations[id] : NULL;
	const char *first = r->arguments[0].text, *second = r->arguments[1].text, *time;
	STRBUF(third, 512);

	if (!at)
		return;
	if (id == COMMAND_SCALE && strcmp(second, "1") != 0)
		strbuf_add(&third, "s");
	if (id == COMMAND_STOP && !request_has(r, "--now"))
		strbuf_add(&third, " as soon as its connections are served");
	if (id == COMMAND_PIN) {
		time = request_option(r, "--for")->text;
		strbuf_addf(&third, "%s%s", time ? " for " : " until brokerctl unpin ",
			    time ? time : first);
	}
	for (; *at; at++) {
		if (*at == '$')
			buf_add_str(out, *++at == '1' ? first : *at == '2' ? second : third.text);
		else
			buf_add(out, at, 1);
	}
	buf_add_str(out, "\n");
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
			 .view = &s.view,
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

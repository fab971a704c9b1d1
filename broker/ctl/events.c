/* events: each line is shown as it comes. */
#include "ctl/ask.h"
#include "ctl/event_text.h"
#include "ctl/out.h"

struct events {
	struct ask ask;
	struct screen screen;
};

static bool take_line(struct ask *ask, const struct json_doc *doc, const char *raw, size_t len)
{
	struct events *e = container_of(ask, struct events, ask);
	struct buf text = BUF_INIT(CLIENT_LINE_MAX * 8);

	(void)raw;
	(void)len;
	(void)event_text(doc, &e->screen, &text);
	out_buf(&text);
	return true;
}

enum ctl_exit ctl_events(struct ctl *ctl)
{
	bool follow = request_has(&ctl->request, "--follow");
	struct events e = {
		.ask = { .line = take_line,
			 .only_prints = true,
			 .patience_ms = follow ? -1 : ASK_PATIENCE_MS },
		.screen = out_screen(),
	};

	return ask_typed(&e.ask, ctl);
}

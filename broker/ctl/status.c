/* status: the lines are gathered, then shown as one screen. */
#include "ctl/ask.h"
#include "ctl/out.h"
#include "ctl/status_text.h"

#define TEXT_MAX (64 << 20)

struct status {
	struct ask ask;
	struct view view;
};

static bool take_line(struct ask *ask, const struct json_doc *doc, const char *raw, size_t len)
{
	struct status *s = container_of(ask, struct status, ask);

	(void)doc;
	return view_add(&s->view, raw, len) == 0;
}

enum ctl_exit ctl_status(struct ctl *ctl)
{
	struct status s = { .ask = { .line = take_line, .patience_ms = ASK_PATIENCE_MS } };
	enum ctl_exit code = ask_typed(&s.ask, ctl);

	if (code == CTL_OK && !ctl->json) {
		struct buf text = BUF_INIT(TEXT_MAX);
		struct screen screen = out_screen();

		status_text(&s.view, &screen, &text);
		out_buf(&text);
	}
	view_deinit(&s.view);
	return code;
}

#include "control.h"

static void keep(struct task *t, struct strbuf *out)
{
	(void)t;
	kept_add_text(out, KEPT_UPGRADE, "waits", sizeof("waits"));
}

static const struct task_ops ops = { .keep = keep };

int upgrade_resume(struct client *c)
{
	return client_begin(c, sizeof(struct task), &ops) ? 0 : -ENOMEM;
}

void control_upgrade(struct client *c)
{
	STRBUF(error, 1024);

	if (c->control->upgrade(c->control, client_argument(c), &error) < 0)
		client_error(c, "refused", "%s", error.text);
	else
		(void)upgrade_resume(c);
}

void control_upgraded(struct control *ctl, bool good, const char *words)
{
	list_for_each_safe (struct client, c, tmp, &ctl->clients, link) {
		if (!c->task || c->task->ops != &ops)
			continue;
		if (good)
			client_end_saying(c, "%s", words);
		else
			client_error(c, "refused", "%s", words);
	}
}

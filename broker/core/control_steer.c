/*
 * The commands that steer and are done at once: signal, scale, stop, ...
 */
#include <string.h>
#include "core/client.h"
#include "sys/spawn.h"

void control_signal(struct client *c)
{
	struct worker *w = client_find_worker(c, c->request.arguments[0].text);
	int sig = (int)c->request.arguments[1].number, r;

	if (!w)
		return;
	if (!w->pid) {
		client_error(c, "refused", "the main process of %s has ended", w->name);
		return;
	}
	r = spawn_kill(w->pid, sig);
	if (r < 0)
		client_error(c, "failed", "cannot send signal %d to process %d: %s", sig,
			     (int)w->pid, strerror(-r));
	else
		client_end(c);
}

#include "hold.h"

#include "control/client.h"
#include "service/questions.h"
#include "worker/hold.h"

bool hold_is_possible(struct client *c, const struct worker *w)
{
	if (worker_state_is_current(w->state))
		return true;
	client_error(c, "refused", "%s is %s: there is nothing to %s", w->name,
		     worker_state_names[w->state], client_request(c)->command->name);
	return false;
}

/* The last one may be held too, but that is seldom what was meant. */
void hold_end(struct client *c, const struct worker *w)
{
	if (service_has_round(service_of(w)))
		client_end(c);
	else
		client_end_saying(c,
				  "%s is held, and was the last in the round: clients of %s wait "
				  "until a worker is released",
				  w->name, service_name(service_of(w)));
}

void control_hold(struct client *c, struct worker *w)
{
	if (!hold_is_possible(c, w))
		return;
	worker_hold(w, HELD_BY_HAND);
	hold_end(c, w);
}

void control_release(struct client *c, struct worker *w)
{
	if (!hold_is_possible(c, w))
		return;
	if (w->held & HELD_BY_HAND) {
		worker_unhold(w, HELD_BY_HAND);
		if (w->held)
			client_end_saying(c, "%s is no longer held by hand, but %s", w->name,
					  w->held & HELD_BY_DEBUG ? "for a debugger"
								  : "its process is stopped");
		else
			client_end(c);
	} else if (w->held & HELD_BY_DEBUG) {
		client_error(c, "refused",
			     "%s is held for a debugger, and is released when the debugger ends",
			     w->name);
	} else if (w->held & HELD_BY_STOP) {
		client_error(c, "refused",
			     "%s is out of the round because its process is stopped; it returns "
			     "when that runs again (kill -CONT %d)",
			     w->name, (int)w->pid);
	} else {
		client_error(c, "refused", "%s is not held", w->name);
	}
}

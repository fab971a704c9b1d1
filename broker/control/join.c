#include "join.h"

#include <errno.h>
#include "control/client.h"
#include "control/names.h"
#include "service/guest.h"
#include "handoff_name.h"

static void write_place(struct client *c, const struct worker *w)
{
	struct buf *out = client_line(c, "join");
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";
	STRBUF(ports, 1024);

	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	guest_private_ports(service_of(w), &ports);
	json_str(out, "worker", w->name);
	json_str(out, "service", service_name(service_of(w)));
	json_uint(out, "generation", w->generation);
	json_str(out, "rendezvous", w->terms->broker->launch.rendezvous);
	json_str(out, "token", token);
	json_str(out, "private_ports", ports.text);
	json_end(out);
}

void control_join(struct client *c)
{
	struct service *s = client_find_service(c, client_argument(c));
	bool pinned_only = request_has(client_request(c), "--pinned-only");
	STRBUF(error, 512);
	struct worker *w;
	int r;

	if (!s)
		return;
	r = guest_join(s, client_fd(c), pinned_only, &w, &error);
	if (r < 0) {
		client_error(c, r == -EBUSY ? "refused" : "failed", "%s", error.text);
		return;
	}
	write_place(c, w);
	client_end(c);
}

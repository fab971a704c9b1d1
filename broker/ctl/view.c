#include "view.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/strbuf.h"

/* One line while it is read. */
struct source {
	const struct json_doc *doc;
	const struct json_value *object;
};

static const char *string(const struct source *from, const char *key)
{
	const char *text = json_doc_string(from->doc, from->object, key);

	return text ? text : "";
}

static int64_t integer(const struct source *from, const char *key)
{
	return json_doc_integer(from->doc, from->object, key, -1);
}

static bool truth(const struct source *from, const char *key)
{
	return json_doc_truth(from->doc, from->object, key);
}

/* @array of @n elements of @size bytes, with room for one more, which is zeroed. */
static void *grow(void *array, size_t n, size_t size)
{
	void *more = array;

	/* The room doubles at each power of two. */
	if ((n & (n - 1)) == 0)
		more = realloc(array, (n ? 2 * n : 1) * size);
	if (more)
		memset((char *)more + n * size, 0, size);
	return more;
}

#define GROW(array, n)                                                                             \
	({                                                                                         \
		void *grown_ = grow(array, n, sizeof(*(array)));                                   \
		if (grown_)                                                                        \
			(array) = grown_;                                                          \
		grown_ ? &(array)[(n)++] : NULL;                                                   \
	})

static struct view_service *new_service(struct view *view, const char *name)
{
	struct view_service *s = GROW(view->services, view->n_services);

	if (!s)
		return NULL;
	s->name = name;
	s->state = s->balance = s->reload.kind = s->reload.waits_for = "";
	s->first_listener = view->n_listeners;
	s->first_worker = view->n_workers;
	s->first_pin = view->n_pins;
	return s;
}

/*
 * The rows of a service follow its own line, so it is the last one. `status WORKER` sends no such
 * line.
 */
static struct view_service *service_of(struct view *view, const char *name)
{
	struct view_service *last = view->n_services ? &view->services[view->n_services - 1] : NULL;

	if (last && strcmp(last->name, name) == 0)
		return last;
	last = new_service(view, name);
	if (last)
		last->is_implied = true;
	return last;
}

static void read_broker(struct view *view, const struct source *from)
{
	view->has_broker = true;
	view->broker = (struct view_broker){
		.version = string(from, "version"),
		.state = string(from, "state"),
		.time = string(from, "time"),
		.run_dir = string(from, "run_dir"),
		.config = json_doc_string(from->doc, from->object, "config"),
		.pid = integer(from, "pid"),
		.uptime_ms = integer(from, "uptime_ms"),
	};
}

static void read_ledger(const struct source *service, struct view_ledger *ret)
{
	struct source from = { service->doc,
			       json_doc_member(service->doc, service->object, "ledger") };
	const struct json_value *v;
	struct strbuf reasons;

	*ret = (struct view_ledger){
		.accepted = integer(&from, "accepted"),
		.taken = integer(&from, "taken"),
		.waiting = integer(&from, "waiting"),
		.client_gone = integer(&from, "client_gone"),
		.taken_back = integer(&from, "taken_back"),
		.balanced = truth(&from, "balanced"),
	};
	strbuf_init(&reasons, ret->reasons, sizeof(ret->reasons));
	v = json_doc_first(from.doc, json_doc_member(from.doc, from.object, "refused"));
	for (; v; v = json_doc_next(from.doc, v)) {
		if (!v->key || !v->is_integer || v->integer <= 0)
			continue;
		ret->refused += v->integer;
		strbuf_addf(&reasons, "%s%s %" PRId64, reasons.len ? ", " : "", v->key, v->integer);
	}
}

static void read_reload(const struct source *service, struct view_reload *ret)
{
	struct source from = { service->doc,
			       json_doc_member(service->doc, service->object, "reload") };

	*ret = (struct view_reload){
		.is_under_way = from.object != NULL,
		.kind = string(&from, "kind"),
		.generation = integer(&from, "generation"),
		.done = integer(&from, "done"),
		.of = integer(&from, "of"),
		.ms = integer(&from, "ms"),
		.waits_for = string(&from, "waits_for"),
	};
}

static int read_service(struct view *view, const struct source *from)
{
	struct view_service *s = new_service(view, string(from, "service"));

	if (!s)
		return -ENOMEM;
	s->state = string(from, "state");
	s->balance = string(from, "balance");
	s->generation = integer(from, "generation");
	s->workers = integer(from, "workers");
	s->ready = integer(from, "ready");
	s->rollback_ms = integer(from, "rollback_ms");
	read_ledger(from, &s->ledger);
	read_reload(from, &s->reload);
	return 0;
}

static int read_listener(struct view *view, const struct source *from)
{
	struct view_service *s = service_of(view, string(from, "service"));
	struct view_listener *l = s ? GROW(view->listeners, view->n_listeners) : NULL;

	if (!l)
		return -ENOMEM;
	s->n_listeners++;
	*l = (struct view_listener){
		.address = string(from, "address"),
		.state = string(from, "state"),
		.app_port = integer(from, "app_port"),
		.backlog = integer(from, "backlog"),
		.backlog_max = integer(from, "backlog_max"),
		.overflows = integer(from, "overflows"),
		.accepted = integer(from, "accepted"),
		.is_automatic = truth(from, "automatic"),
	};
	return 0;
}

static int read_worker(struct view *view, const struct source *from)
{
	struct view_service *s = service_of(view, string(from, "service"));
	struct view_worker *w = s ? GROW(view->workers, view->n_workers) : NULL;
	struct source tracer = { from->doc, json_doc_member(from->doc, from->object, "tracer") };

	if (!w)
		return -ENOMEM;
	s->n_workers++;
	*w = (struct view_worker){
		.name = string(from, "worker"),
		.state = string(from, "state"),
		.why = string(from, "why"),
		.slot = integer(from, "slot"),
		.pid = integer(from, "pid"),
		.generation = integer(from, "generation"),
		.state_ms = integer(from, "state_ms"),
		.given = integer(from, "given"),
		.waiting = integer(from, "waiting"),
		.open = integer(from, "open"),
		.rss_bytes = integer(from, "rss_bytes"),
		.cpu_ms = integer(from, "cpu_ms"),
		.restarts = integer(from, "restarts"),
		.tracer_pid = integer(&tracer, "pid"),
		.tracer_name = string(&tracer, "name"),
		.is_pinned_only = truth(from, "pinned_only"),
	};
	return 0;
}

static int read_pin(struct view *view, const struct source *from)
{
	struct view_service *s = service_of(view, string(from, "service"));
	struct view_pin *p = s ? GROW(view->pins, view->n_pins) : NULL;

	if (!p)
		return -ENOMEM;
	s->n_pins++;
	*p = (struct view_pin){
		.source = json_doc_string(from->doc, from->object, "source"),
		.worker = string(from, "worker"),
		.kind = string(from, "kind"),
		.expires_ms = integer(from, "expires_ms"),
	};
	return 0;
}

int view_add(struct view *view, const char *line, size_t len)
{
	char *copy = strndup(line, len), **slot;
	struct json_doc doc;
	struct source from = { &doc, doc.value };
	const char *type;

	slot = copy ? GROW(view->lines, view->n_lines) : NULL;
	if (!slot) {
		free(copy);
		return -ENOMEM;
	}
	*slot = copy;
	if (strlen(copy) != len || json_doc_read(copy, len, &doc) < 0)
		return -EINVAL;
	type = string(&from, "type");
	if (strcmp(type, "service") == 0)
		return read_service(view, &from);
	if (strcmp(type, "listener") == 0)
		return read_listener(view, &from);
	if (strcmp(type, "worker") == 0)
		return read_worker(view, &from);
	if (strcmp(type, "pin") == 0)
		return read_pin(view, &from);
	if (strcmp(type, "broker") == 0)
		read_broker(view, &from);
	return 0;
}

void view_deinit(struct view *view)
{
	for (size_t i = 0; i < view->n_lines; i++)
		free(view->lines[i]);
	free(view->lines);
	free(view->services);
	free(view->listeners);
	free(view->workers);
	free(view->pins);
	*view = (struct view){ 0 };
}

#include "web.h"

#include "base/address.h"
#include "base/fd.h"
#include "config/option.h"
#include "service/listeners.h"
#include "sys/log.h"
#include "sys/pair.h"
#include "sys/retire.h"
#include "sys/tcp.h"
#include "sys/unix_socket.h"
#include "sys/user.h"

#define EXCHANGE_MS 5000 /* for all of a client's visit */
#define LINGER_MS   1000 /* after the answer: see linger() */
#define BACKLOG	    128
#define ANSWER_MAX  (METRICS_TEXT_MAX + 1024)

/* The option of [broker] that each kind is switched on by. */
static const char *const options[WEB_N] = {
	[WEB_METRICS] = "metrics",
	[WEB_AGENT] = "agent_check",
};

struct web_client {
	struct list link; /* web::clients */
	struct web *web;
	bool answered; /* what it still sends is thrown away */
	struct stream stream;
	struct scrape_waiter scrape; /* while it waits for that */
	struct http_request request; /* once it is whole; without the path */
};

static bool waits(const struct web_client *c)
{
	return !list_empty(&c->scrape.link);
}

/* --- a client ------------------------------------------------------------------------ */

static void client_free(struct web_client *c)
{
	stream_deinit(&c->stream);
	list_remove(&c->scrape.link);
	list_remove(&c->link);
	free(c);
}

static void client_closed(struct stream *stream)
{
	client_free(container_of(stream, struct web_client, stream));
}

/*
 * The answer is written. To close now would be a reset, and cost the client the answer, if there
 * is something of it that we have not read. So it is told that nothing more comes, and has a
 * moment to end by itself.
 */
static void linger(struct stream *stream)
{
	if (stream->eof) {
		stream_close(stream);
		return;
	}
	strbuf_consume(&stream->in, stream->in.len);
	(void)shutdown(stream->fd, SHUT_WR);
	stream_limit(stream, LINGER_MS);
}

/* What is in .out goes out, and that was all. */
static void answered(struct web_client *c)
{
	c->answered = true;
	stream_flush(&c->stream);
	if (stream_is_open(&c->stream) && c->stream.out.len == 0)
		linger(&c->stream);
}

static void answer(struct web_client *c, enum http_status status, const char *type,
		   const char *body, size_t len)
{
	http_answer(&c->stream.out, status, type, body, len, c->request.head);
	answered(c);
}

#define TEXT_PLAIN "text/plain; charset=utf-8"

static void answer_text(struct web_client *c, enum http_status status, const char *text)
{
	answer(c, status, TEXT_PLAIN, text, strlen(text));
}

static void scraped(struct scrape_waiter *waiter, const struct strbuf *text)
{
	static const char *const types[HTTP_MEDIA_N] = {
		[HTTP_MEDIA_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; "
					   "charset=utf-8",
		[HTTP_MEDIA_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
	};
	struct web_client *c = container_of(waiter, struct web_client, scrape);

	if (text)
		answer(c, HTTP_OK, types[c->request.accepts], text->text, text->len);
	else
		answer_text(c, HTTP_UNAVAILABLE, "the broker is out of memory\n");
}

/* "ok", if each service has a ready worker and the broker does not stop; a line for each lack. */
static void answer_ready(struct web_client *c)
{
	const struct master *m = c->web->master;
	struct strbuf out = STRBUF_GROWS(64 * 1024);
	bool ready;

	if (m->broker.stopping)
		strbuf_add(&out, "the broker is stopping\n");
	list_for_each (const struct service, s, &m->broker.services, link) {
		/* Gone from the configuration: it only finishes what it has. */
		if (m->broker.stopping || s->dispatch.stopping)
			continue;
		if (s->dispatch.paused)
			strbuf_addf(&out, "%s: paused\n", service_name(s));
		else if (!service_is_serving(s))
			strbuf_addf(&out, "%s: %s (of %u)\n", service_name(s),
				    s->all_ill		   ? "all workers fail their check"
				    : service_has_round(s) ? "no ready worker takes connections"
							   : "no worker is ready",
				    s->want);
	}
	ready = !out.len && !out.cut;
	if (ready)
		strbuf_add(&out, "ok\n");
	answer(c, ready ? HTTP_OK : HTTP_UNAVAILABLE, TEXT_PLAIN, out.text, out.len);
	strbuf_deinit(&out);
}

static void answer_request(struct web_client *c)
{
	if (!strcmp(c->request.path, "/metrics"))
		scrape_want(&c->web->scrapes[c->request.accepts], &c->scrape);
	else if (!strcmp(c->request.path, "/healthz"))
		answer_text(c, HTTP_OK, "ok\n");
	else if (!strcmp(c->request.path, "/readyz"))
		answer_ready(c);
	else
		answer_text(c, HTTP_NOT_FOUND, "not found; try /metrics, /healthz or /readyz\n");
}

static void client_received(struct stream *stream)
{
	struct web_client *c = container_of(stream, struct web_client, stream);
	enum http_status status;

	if (waits(c))
		return; /* one request a connection: the rest stays in the kernel */
	if (c->answered) {
		strbuf_consume(&stream->in, stream->in.len);
		if (stream->eof)
			stream_close(stream);
		return;
	}
	status = http_parse(stream->in.text, stream->in.len, &c->request);
	if (status == HTTP_OK)
		answer_request(c);
	else if (status != HTTP_INCOMPLETE)
		answer_text(c, status, "this request is not understood here\n");
	else if (stream->eof)
		stream_close(stream);
}

/* --- clients come -------------------------------------------------------------------- */

/* The oldest of those that are not being answered goes. False: there is none. */
static bool make_room(struct web *web)
{
	list_for_each (struct web_client, c, &web->clients, link)
		if (!waits(c) && c->stream.out.len == 0) {
			client_free(c);
			return true;
		}
	return false;
}

/* Says its line at once, which fits into each socket's buffer: up with a weight, drain, or down. */
static void answer_agent(struct web_client *c)
{
	const struct master *m = c->web->master;
	uint64_t ready = 0, wanted = 0, percent;
	bool down = false, open = false;

	list_for_each (const struct service, s, &m->broker.services, link) {
		if (s->dispatch.stopping)
			continue;
		/* One address stands for all services: what one of them lacks, the whole lacks. */
		open = open || !s->dispatch.paused;
		down = down || s->dispatch.paused || !service_is_serving(s);
		ready += service_awaits_client(s) ? s->want : service_count_well(s);
		wanted += s->want;
	}
	percent = wanted ? (ready * 100 + wanted / 2) / wanted : 0;
	if (m->broker.stopping || !open)
		strbuf_add(&c->stream.out, "drain\n");
	else if (down || wanted == 0)
		strbuf_add(&c->stream.out, "down\n");
	else
		strbuf_addf(&c->stream.out, "ready up %u%%\n", percent < 1 ? 1 : (unsigned)percent);
	answered(c);
}

static void server_accepted(struct acceptor *a, int fd)
{
	struct web_server *server = container_of(a, struct web_server, acceptor);
	struct web *web = server->web;
	struct web_client *c = NULL;

	if (list_count(&web->clients) < WEB_CLIENTS_MAX || make_room(web))
		c = calloc(1, sizeof(*c));
	if (c)
		c->stream = (struct stream){ .received = client_received,
					     .drained = linger,
					     .closed = client_closed };
	if (!c ||
	    stream_open(&c->stream, &web->master->broker.loop, fd, HTTP_HEAD_MAX, ANSWER_MAX) < 0) {
		(void)close(fd);
		free(c);
		return;
	}
	c->web = web;
	list_init(&c->scrape.link);
	c->scrape.done = scraped;
	list_append(&web->clients, &c->link);
	stream_limit(&c->stream, EXCHANGE_MS);
	if (server->kind == WEB_AGENT)
		answer_agent(c);
}

/* --- addresses ----------------------------------------------------------------------- */

static const struct conf_serve *serve_of(const struct broker_conf *bc, enum web_kind kind)
{
	return kind == WEB_METRICS ? &bc->metrics : &bc->agent_check;
}

static int open_address(struct master *m, const struct handoff_addr *addr, int *ret_fd,
			struct strbuf *error)
{
	/* As a listener of a service, without any of the options that one can have. */
	static const struct service_conf plain = { .backlog = BACKLOG };
	static const struct asked nothing;
	const struct listener *other;
	int r = tcp_bind(addr, &plain, &nothing, false, error, ret_fd);

	if (r == 0)
		r = tcp_listen(*ret_fd, &plain); /* the caller closes it on failure, too */
	if (r == 0)
		return 0;
	other = r == -EADDRINUSE ? listener_find(&m->broker, addr, address_overlap) : NULL;
	if (other)
		strbuf_addf(error, "port %u is served for [service:%s]; choose another port",
			    addr->port, other->dispatch->service);
	else
		(void)tcp_explain(addr, r, error);
	return r;
}

static void server_close(struct web_server *server)
{
	acceptor_stop(&server->acceptor);
	if (server->path)
		(void)unlink(server->path);
	free(server->path);
	server->path = NULL;
	retire_fd(&server->fd);
}

/* On @fd, which it owns from now on. 0 or -errno. */
static int server_start(struct web_server *server, int fd, const struct conf_serve *serve)
{
	server->fd = fd;
	server->path = serve->path ? strdup(serve->path) : NULL;
	return acceptor_start(&server->acceptor, &server->web->master->broker.loop, fd, 1,
			      server_accepted);
}

static void server_open(struct web_server *server, const struct conf_serve *serve)
{
	STRBUF(where, 128);
	int r = server_start(server, fd_take(&server->next_fd), serve);

	if (serve->path)
		strbuf_add_escaped(&where, serve->path, strlen(serve->path));
	else
		strbuf_add(&where, address_text(&serve->addr).text);
	if (r < 0) {
		log_event(LEVEL_ERROR, "metrics", LOG_STR("address", where.text),
			  LOG_MSG("cannot serve %s: %s", options[server->kind], strerror(-r)));
		server_close(server);
		return;
	}
	log_event(LEVEL_INFO, "metrics", LOG_STR("address", where.text),
		  LOG_MSG("serving %s on %s", options[server->kind], where.text));
}

static void end(struct reload_part *part, const struct broker_conf *bc, bool good)
{
	struct web *web = container_of(part, struct web, part);

	for (struct web_server *server = web->servers; server < web->servers + WEB_N; server++) {
		const struct conf_serve *serve = serve_of(bc, server->kind);

		if (good && server->changes)
			server_close(server);
		if (good && server->next_fd >= 0)
			server_open(server, serve);
		else if (server->next_fd >= 0 && serve->path)
			(void)unlink(serve->path);
		fd_closep(&server->next_fd);
		server->changes = false;
	}
	if (good)
		web->master->broker.measuring = web->servers[WEB_METRICS].fd >= 0;
}

/* .next_fd is what @bc asks for; -1: nothing. 0 or -errno with @error. */
static int open_next(struct web_server *server, const struct broker_conf *bc, struct strbuf *error)
{
	const struct conf_serve *serve = serve_of(bc, server->kind);
	struct master *m = server->web->master;
	size_t said = error->len;
	gid_t group = UNIX_NO_GROUP;
	int r = 0;

	strbuf_addf(error, "[broker] %s: ", options[server->kind]);
	if (serve->path && bc->control_group)
		r = user_find_group(bc->names, bc->control_group, &group, error);
	if (serve->path && r == 0)
		r = unix_listen(serve->path, m->rundir.heir, group, &server->next_fd, error);
	else if (r == 0 && serve->addr.family)
		r = open_address(m, &serve->addr, &server->next_fd, error);
	if (r == 0)
		error->text[error->len = said] = '\0';
	return r;
}

static int prepare(struct reload_part *part, const struct broker_conf *old,
		   const struct broker_conf *bc, struct strbuf *error)
{
	struct web *web = container_of(part, struct web, part);

	for (struct web_server *server = web->servers; server < web->servers + WEB_N; server++) {
		const char *option = options[server->kind];
		int r;

		if (old && option_equal(option_find(OPTION_BROKER, option), old, bc))
			continue;
		server->changes = true;
		r = open_next(server, bc, error);
		if (r < 0) {
			end(part, bc, false);
			return r;
		}
	}
	return 0;
}

void web_init(struct web *web, struct master *m, struct survey *survey)
{
	*web = (struct web){
		.part = { .prepare = prepare, .end = end },
		.master = m,
	};
	m->part = &web->part;
	list_init(&web->clients);
	for (enum http_media media = 0; media < HTTP_MEDIA_N; media++)
		scrape_init(&web->scrapes[media], m, survey, media == HTTP_MEDIA_TEXT);
	for (enum web_kind kind = 0; kind < WEB_N; kind++)
		web->servers[kind] =
			(struct web_server){ .web = web, .kind = kind, .fd = -1, .next_fd = -1 };
}

int web_adopt(struct web *web, const int fds[WEB_N])
{
	struct master *m = web->master;
	int r = 0;

	for (enum web_kind kind = 0; kind < WEB_N; kind++) {
		web->servers[kind].fd = fds[kind];
		if (r == 0 && fds[kind] >= 0)
			r = server_start(&web->servers[kind], fds[kind],
					 serve_of(&m->conf->broker, kind));
	}
	m->broker.measuring = web->servers[WEB_METRICS].fd >= 0;
	return r;
}

void web_restore(struct web *web)
{
	const struct broker_conf *bc = &web->master->conf->broker;

	for (struct web_server *server = web->servers; server < web->servers + WEB_N; server++) {
		STRBUF(error, 512);

		if (!pair_option_is(server->fd, SO_ACCEPTCONN, 0))
			continue;
		server_close(server);
		if (open_next(server, bc, &error) == 0)
			server_open(server, serve_of(bc, server->kind));
		else
			log_event(LEVEL_ERROR, "metrics", LOG_MSG("%s", error.text));
	}
}

bool web_is_answering(const struct web *web)
{
	return !list_empty(&web->clients);
}

void web_deinit(struct web *web)
{
	list_for_each_safe (struct web_client, c, tmp, &web->clients, link)
		client_free(c);
	for (enum http_media media = 0; media < HTTP_MEDIA_N; media++)
		scrape_deinit(&web->scrapes[media]);
	for (enum web_kind kind = 0; kind < WEB_N; kind++)
		server_close(&web->servers[kind]);
}

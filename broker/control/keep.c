#include "keep.h"

/* In the middle of an answer that no other program could go on with. */
static bool is_answered(const struct client *c)
{
	return c->wire || c->stream.finishing || (c->task && !c->task->ops->keep);
}

bool control_is_answering(const struct control *ctl)
{
	return list_find(const struct client, c, &ctl->clients, link, is_answered(c));
}

static void keep_request(const struct client *c, struct strbuf *out)
{
	struct strbuf words = STRBUF_GROWS(2 * CONTROL_REQUEST_MAX);

	for (char **word = c->words; word && *word; word++)
		strbuf_add_bytes(&words, *word, strlen(*word) + 1);
	kept_add_text(out, KEPT_REQUEST, words.text, words.len);
	out->cut |= words.cut;
	strbuf_deinit(&words);
}

/* As words_split() leaves them, in one piece. */
static int adopt_request(struct client *c, const char *text, size_t size)
{
	STRBUF(unsaid, 256);
	size_t n = 0;
	char *at;

	c->words = calloc(1, (CONTROL_REQUEST_MAX + 1) * sizeof(char *) + size + 1);
	if (!c->words)
		return -ENOMEM;
	at = memcpy(c->words + CONTROL_REQUEST_MAX + 1, text, size);
	for (char *end = at + size; at < end && n < CONTROL_REQUEST_MAX; at += strlen(at) + 1)
		c->words[n++] = at;
	return command_parse(c->words, n, &c->request, &unsaid) == COMMAND_OK ? 0 : -EPROTO;
}

void control_keep(const struct control *ctl, struct strbuf *out)
{
	list_for_each (const struct client, c, &ctl->clients, link) {
		const struct stream *st = &c->stream;
		const struct kept_client k = {
			.fd = st->fd, .pid = c->peer.pid, .uid = c->peer.uid, .gid = c->peer.gid
		};

		/* A client that is answered sees the end of a broker that is killed. */
		if (!stream_is_open(st) || is_answered(c))
			continue;
		kept_add(out, KEPT_CLIENT, &k);
		kept_add_text(out, KEPT_CLIENT_IN, st->in.text, st->in.len);
		kept_add_text(out, KEPT_CLIENT_OUT, st->out.text, st->out.len);
		keep_request(c, out);
		if (c->task)
			c->task->ops->keep(c->task, out);
	}
}

int control_adopt(struct control *ctl, enum kept_kind kind, const void *record, size_t size)
{
	struct client *last = list_empty(&ctl->clients)
				      ? NULL
				      : container_of(ctl->clients.prev, struct client, link);
	const struct kept_client *k = record;

	if (kind == KEPT_CLIENT)
		return client_new(ctl, k->fd, &(struct ucred){ k->pid, k->uid, k->gid }) ? 0
											 : -ENOMEM;
	if (!last)
		return -EPROTO;
	switch (kind) {
	case KEPT_CLIENT_IN:
		strbuf_add_bytes(&last->stream.in, record, size);
		return 0;
	case KEPT_CLIENT_OUT:
		strbuf_add_bytes(&last->stream.out, record, size);
		return 0;
	case KEPT_REQUEST:
		return adopt_request(last, record, size);
	case KEPT_EVENTS:
		return events_resume(last, *(const uint64_t *)record);
	case KEPT_ROLL:
		return roll_resume(last, record, size);
	case KEPT_SESSION:
		return session_resume(last, record, size);
	case KEPT_UPGRADE:
		return upgrade_resume(last);
	default:
		return -EPROTO;
	}
}

void control_adopted(struct control *ctl, bool asked)
{
	list_for_each_safe (struct client, c, tmp, &ctl->clients, link) {
		/* What it had asked for may have come to nothing: it sees the end. */
		if (asked && !c->task) {
			stream_close(&c->stream);
			continue;
		}
		stream_flush(&c->stream);
		client_go_on(c);
	}
}

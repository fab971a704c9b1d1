#include "client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "base/words.h"

#define READ_SIZE 65536

void client_close(struct client *c)
{
	fd_closep(&c->fd);
	free(c->bytes);
	free(c->path);
	*c = CLIENT_INIT;
}

static bool has_control(const char *word)
{
	for (; *word; word++)
		if ((unsigned char)*word < 0x20 || *word == 0x7f)
			return true;
	return false;
}

int client_ask(struct client *c, char *const *words, size_t n)
{
	STRBUF(line, CLIENT_REQUEST_MAX + 1);
	size_t sent = 0;

	for (size_t i = 0; i < n; i++) {
		if (has_control(words[i]))
			return -EINVAL;
		if (i > 0)
			strbuf_add(&line, " ");
		words_add_quoted(&line, words[i]);
	}
	strbuf_add(&line, "\n");
	if (line.cut)
		return -EMSGSIZE;
	while (sent < line.len) {
		ssize_t r = send(c->fd, line.text + sent, line.len - sent, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		sent += (size_t)r;
	}
	return 0;
}

bool client_line(struct client *c, char **ret_line, size_t *ret_len)
{
	char *start, *end;

	if (c->at == c->len)
		return false;
	start = c->bytes + c->at;
	end = memchr(start, '\n', c->len - c->at);
	if (!end)
		return false;
	*end = '\0';
	*ret_line = start;
	*ret_len = (size_t)(end - start);
	c->at += *ret_len + 1;
	return true;
}

int client_read(struct client *c)
{
	ssize_t n;

	/* The lines before .at were given out. A line that has begun moves to the front. */
	if (c->at > 0) {
		memmove(c->bytes, c->bytes + c->at, c->len - c->at);
		c->len -= c->at;
		c->at = 0;
	}
	if (c->len > CLIENT_LINE_MAX)
		return -EPROTO;
	if (c->room - c->len < READ_SIZE) {
		size_t room = 2 * c->room > READ_SIZE ? 2 * c->room : READ_SIZE;
		char *more = realloc(c->bytes, room);

		if (!more)
			return -ENOMEM;
		c->bytes = more;
		c->room = room;
	}
	do
		n = recv(c->fd, c->bytes + c->len, c->room - c->len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	c->len += (size_t)n;
	return 0;
}

#include "client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "base/strbuf.h"
#include "base/words.h"

#define READ_SIZE 65536

void client_close(struct client *c)
{
	fd_closep(&c->fd);
	buf_deinit(&c->in);
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

	if (c->at == c->in.len)
		return false;
	start = c->in.bytes + c->at;
	end = memchr(start, '\n', c->in.len - c->at);
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
	char bytes[READ_SIZE];
	ssize_t n;

	buf_consume(&c->in, c->at);
	c->at = 0;
	if (c->in.len > CLIENT_LINE_MAX)
		return -EPROTO;
	do
		n = recv(c->fd, bytes, sizeof(bytes), 0);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return -EPIPE;
	if (n < 0)
		return -errno;
	buf_add(&c->in, bytes, (size_t)n);
	return c->in.failed ? -ENOMEM : 0;
}

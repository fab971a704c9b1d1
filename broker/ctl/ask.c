#include "ask.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include "base/fd.h"
#include "base/words.h"
#include "config/conf.h"
#include "sys/loop.h"

#define TICK_MS	     500
#define MORE_FOLLOWS (-1)

enum ctl_exit ask_connect(struct ctl *ctl)
{
	STRBUF(error, CONF_ERROR_BYTES + 1024);
	int r = client_connect(&ctl->client, &ctl->find, &error);

	if (r == 0)
		return CTL_OK;
	out_error("%s", error.len ? error.text : strerror(-r));
	return CTL_NO_BROKER;
}

enum ctl_exit ask_print_failure(const struct ctl *ctl, int r)
{
	STRBUF(error, 1024);

	(void)client_explain("", ctl->client.path, r, &error);
	out_error("%s", error.text);
	return r == -EMSGSIZE || r == -EINVAL ? CTL_USAGE : CTL_NO_BROKER;
}

static enum ctl_exit exit_of(const char *code)
{
	if (!strcmp(code, "aborted"))
		return CTL_ABORTED;
	if (!strcmp(code, "unfinished"))
		return CTL_UNFINISHED;
	return words_have("bad-request unknown-command", code) ? CTL_USAGE : CTL_FAILED;
}

static enum ctl_exit print_error(const struct json_value *error)
{
	const struct json_value *v = json_doc_member(error, "output");
	struct strbuf text = STRBUF_GROWS(CLIENT_LINE_MAX * 4);
	struct screen s = { .out = &text, .left = SIZE_MAX };

	text_add_lines(&s, "", json_doc_text(error, "message"));
	for (v = json_doc_first(v); v; v = json_doc_next(v))
		if (v->kind == JSON_STRING)
			text_add_lines(&s, "  | ", v->text);
	if (text.cut)
		out_error("out of memory");
	else /* which adds the last newline itself */
		out_error("%.*s", text.len ? (int)text.len - 1 : 0, text.len ? text.text : "");
	strbuf_deinit(&text);
	return exit_of(json_doc_text(error, "code"));
}

/* Takes the line that came last. MORE_FOLLOWS, or how the answer has ended: an enum ctl_exit. */
static int take_line(struct ask *ask, const struct ctl *ctl)
{
	const struct json_value *line = view_last(&ctl->client.view);
	const char *type = json_doc_text(line, "type");

	if (!*type)
		return ask_print_failure(ctl, -EPROTO);
	if (ctl->json)
		out_bytes(ctl->client.in.text, ctl->client.line_len);
	if (!strcmp(type, "end"))
		return CTL_OK;
	if (!strcmp(type, "error"))
		return ctl->json ? exit_of(json_doc_text(line, "code")) : print_error(line);
	if (ask->line)
		ask->line(ask, line);
	return MORE_FOLLOWS;
}

int ask_wait_ms(const struct ask *ask, int ms)
{
	int64_t left = ask->until_ms - loop_clock_ms();

	if (!ask->until_ms || (ms >= 0 && left > ms))
		return ms;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int ask_signals(const int *signals, size_t n)
{
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < n; i++)
		sigaddset(&mask, signals[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Waits for more of the answer. MORE_FOLLOWS, or how waiting has ended: an enum ctl_exit. */
static int wait_more(struct ask *ask, int signals)
{
	struct pollfd fds[3] = { { .fd = ask->ctl->client.fd, .events = POLLIN },
				 { .fd = signals, .events = POLLIN },
				 { .fd = STDOUT_FILENO, .events = 0 } };
	int silent = 0;

	/* Show what was printed so far before we wait. */
	if (out_flush() < 0 && ask->only_prints)
		return CTL_FAILED;
	for (;;) {
		int wait_ms = ask_wait_ms(ask, TICK_MS), r = poll(fds, ARRAY_SIZE(fds), wait_ms);

		if (r < 0 && errno != EINTR)
			return ask_print_failure(ask->ctl, -errno);
		if (r < 0)
			continue;
		if (fds[1].revents)
			return CTL_INTERRUPTED;
		/*
		 * The reader is gone, as after `| grep -m 1`. SIGPIPE would tell us only with the
		 * next line, which may never come.
		 */
		if (fds[2].revents & POLLERR)
			return CTL_FAILED;
		/* poll(2) would report a closed standard output again and again. */
		if (fds[2].revents)
			fds[2].fd = -1;
		if (fds[0].revents)
			return MORE_FOLLOWS;
		if (r > 0)
			continue;
		if (wait_ms < TICK_MS)
			return CTL_TOO_LONG;
		silent += TICK_MS;
		if (!ask->is_patient && silent >= ASK_PATIENCE_MS)
			return ask_print_failure(ask->ctl, -ETIMEDOUT);
		if (ask->line)
			ask->line(ask, NULL);
	}
}

enum ctl_exit ask_run(struct ask *ask, struct ctl *ctl)
{
	_cleanup_fd_ int signals = -1;
	int r, code = MORE_FOLLOWS;

	ask->ctl = ctl;
	ask->began_ms = loop_clock_ms();
	if (ctl->client.fd < 0 && ask_connect(ctl) != CTL_OK)
		return CTL_NO_BROKER;
	r = client_ask(&ctl->client, ctl->words, ctl->n_words);
	/* A broker that refuses a connection says why before it closes it: read that. */
	if (r < 0 && r != -EPIPE)
		return ask_print_failure(ctl, r);
	if (ask->ends_at_interrupt)
		signals = ask_signals(&(int){ SIGINT }, 1);
	while (code == MORE_FOLLOWS) {
		r = client_next(&ctl->client);
		code = r == 0	      ? take_line(ask, ctl)
		       : r == -EAGAIN ? wait_more(ask, signals)
				      : (int)ask_print_failure(ctl, r);
	}
	return (enum ctl_exit)code;
}

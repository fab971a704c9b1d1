#include "ask.h"

/*
 * Asks for the status once a second over one connection and draws it. If the broker goes away, the
 * screen stays and says so, and top tries to connect again.
 */
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include "base/fd.h"
#include "ctl/top_text.h"
#include "sys/loop.h"

#define INTERVAL_MS 1000
#define TEXT_MAX    (16 << 20)
#define KEY_ESCAPE  '\033'
#define KEY_DELETE  '\177'

/* Plain ECMA-48, and the alternate screen of xterm: the former content comes back at the end. */
#define ENTER "\033[?1049h\033[?25l\033[?7l" /* alternate screen, no cursor, no wrapping */
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

enum top_end { TOP_GOES_ON, TOP_QUIT, TOP_REFUSED };

struct live {
	struct ctl *ctl;
	struct top top; /* what is shown */
	enum top_end end;
	struct view now, before;
	int64_t now_at; /* when it was complete; 0: from another connection */
	bool asked;	/* and not answered */
	int64_t due;	/* when to ask or connect again, or to give up */
	char search[64];
};

/* --- the terminal ------------------------------------------------------------------------ */

/* Keys come one by one, unseen. Ctrl-C stays a signal. *@ret: what to go back to. 0 or -errno. */
static int open_terminal(struct termios *ret)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, ret) < 0)
		return -errno;
	raw = *ret;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return -errno;
	out_text(ENTER);
	(void)out_flush();
	return 0;
}

static void close_terminal(const struct termios *before)
{
	out_text(LEAVE);
	(void)out_flush();
	(void)tcsetattr(STDIN_FILENO, TCSANOW, before);
}

/* Draws over the old lines, without flicker. */
static void draw(struct live *live)
{
	struct strbuf text = STRBUF_GROWS(TEXT_MAX), drawn = STRBUF_GROWS(TEXT_MAX);
	struct screen screen = out_screen(&text);

	top_text(&live->top, &screen);
	/* Each line ends in a newline. The last one has none on the screen: that would scroll. */
	if (text.len && !text.cut) {
		text.text[text.len - 1] = '\0';
		strbuf_add_filled(&drawn, text.text, "\n", "\033[K\r\n");
	}
	strbuf_deinit(&text);
	out_text("\033[H");
	out_buf(&drawn);
	out_text("\033[K\033[J");
	(void)out_flush();
}

/* --- the broker -------------------------------------------------------------------------- */

/* The figures stay on the screen. Those of a new broker cannot be compared with them. */
static void lose(struct live *live, const char *why)
{
	client_close(&live->ctl->client);
	live->now_at = 0;
	live->asked = false;
	live->due = loop_clock_ms() + INTERVAL_MS;
	live->top.live.before = NULL;
	live->top.notice = why;
	draw(live);
}

static void ask(struct live *live)
{
	char *words[] = { (char[]){ "status" },
			  (char *)(uintptr_t)live->ctl->request.arguments[0].text };
	struct client *client = &live->ctl->client;
	STRBUF(ignored, 4096);

	live->asked = client->fd >= 0 || client_connect(client, &live->ctl->find, &ignored) == 0;
	live->due = loop_clock_ms() + (live->asked ? ASK_PATIENCE_MS : INTERVAL_MS);
	/* Not checked: if the broker has closed the connection, reading it says so, and why. */
	if (live->asked)
		(void)client_ask(client, words, words[1] ? 2 : 1);
}

/* The answer is complete: show it. */
static void take_answer(struct live *live)
{
	int64_t now = loop_clock_ms();

	view_deinit(&live->before);
	live->before = live->now;
	live->now = live->ctl->client.view;
	live->ctl->client.view = (struct view){ 0 };
	live->top.live.before = live->now_at ? &live->before : NULL;
	live->top.live.ms = now - live->now_at;
	live->top.notice = NULL;
	live->now_at = now;
	/* A second after it was asked. */
	live->due += INTERVAL_MS - ASK_PATIENCE_MS;
	live->asked = false;
	draw(live);
}

static void take_answers(struct live *live)
{
	int r = 0;

	while (live->end == TOP_GOES_ON && (r = client_next(&live->ctl->client)) == 0) {
		const struct json_value *line = view_last(&live->ctl->client.view);

		if (json_doc_is(line, "type", "error"))
			live->end = TOP_REFUSED;
		else if (json_doc_is(line, "type", "end"))
			take_answer(live);
	}
	if (r == -EBADMSG)
		lose(live, "the program that answers is not a broker; trying again");
	else if (r == -ENOMEM)
		lose(live, "cannot read the broker's answer; trying again");
	else if (r < 0 && r != -EAGAIN)
		lose(live, "the broker has ended; waiting for it to come back");
}

/* --- what comes -------------------------------------------------------------------------- */

/* A character of what is searched for, or one that ends it. */
static void type_search(struct live *live, char key)
{
	size_t len = strlen(live->search);

	if (key == '\r' || key == '\n' || key == KEY_ESCAPE)
		live->top.typing = false;
	if (key == KEY_ESCAPE)
		live->search[0] = '\0';
	else if ((key == '\b' || key == KEY_DELETE) && len)
		live->search[len - 1] = '\0';
	else if ((unsigned char)key >= ' ' && key != KEY_DELETE && len + 1 < sizeof(live->search))
		memcpy(live->search + len, (char[]){ key, '\0' }, 2);
	live->top.scroll = 0;
}

/*
 * Takes the first of the @n bytes that a terminal sends for keys, and returns how many it was. A
 * lone Esc comes last: the others begin with it.
 */
static size_t take_key(struct live *live, const char *keys, size_t n)
{
	static const struct {
		const char *sent;
		int lines, pages;
	} scrolls[] = {
		{ "k", -1, 0 },
		{ "j", 1, 0 },
		{ "\033[A", -1, 0 },
		{ "\033[B", 1, 0 },
		{ "\033OA", -1, 0 },
		{ "\033OB", 1, 0 },
		{ "\033[5~", 0, -1 },
		{ "\033[6~", 0, 1 },
		{ " ", 0, 1 },
		{ "g", -INT_MAX, 0 },
		{ "G", INT_MAX / 2, 0 },
		{ "\033[H", -INT_MAX, 0 },
		{ "\033[F", INT_MAX / 2, 0 },
	};
	struct top *top = &live->top;
	size_t used = 1;
	int64_t to;

	for (size_t i = 0; i < ARRAY_SIZE(scrolls); i++) {
		size_t len = strlen(scrolls[i].sent);

		if (len > n || memcmp(keys, scrolls[i].sent, len) != 0 || (top->typing && len == 1))
			continue;
		to = (int64_t)top->scroll + scrolls[i].lines +
		     scrolls[i].pages * (int64_t)(out_screen(NULL).rows / 2);
		top->scroll = to > 0 ? (size_t)to : 0;
		return len;
	}
	/* A key that means nothing here. */
	if (n > 2 && *keys == KEY_ESCAPE && (keys[1] == '[' || keys[1] == 'O'))
		for (used = 3; used < n && keys[used - 1] < '@';)
			used++;
	else if (top->typing || *keys == KEY_ESCAPE)
		type_search(live, *keys);
	else if (*keys == 'q' || *keys == 'Q')
		live->end = TOP_QUIT;
	else if (*keys == 's')
		top->live.sort = (top->live.sort + 1) % WORKERS_SORTS;
	else if (*keys == '/')
		top->typing = true;
	return used;
}

static void take_keys(struct live *live)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	/* The terminal is gone. */
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		live->end = TOP_QUIT;
	for (ssize_t i = 0; live->end == TOP_GOES_ON && i < n;)
		i += (ssize_t)take_key(live, keys + i, (size_t)(n - i));
}

static void turn(struct live *live, int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = live->ctl->client.fd, .events = POLLIN }, /* below 0: poll(2) ignores it */
	};
	struct signalfd_siginfo info;
	int64_t now = loop_clock_ms();

	if (now >= live->due && live->asked)
		lose(live, "the broker does not answer; trying again");
	else if (now >= live->due)
		ask(live);
	else if (poll(fds, ARRAY_SIZE(fds), (int)(live->due - now)) <= 0)
		return;
	if (fds[0].revents && read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info) &&
	    info.ssi_signo != SIGWINCH && info.ssi_signo != SIGTSTP)
		live->end = TOP_QUIT;
	if (fds[1].revents)
		take_keys(live);
	if (live->end == TOP_GOES_ON && (fds[0].revents || fds[1].revents))
		draw(live);
	if (fds[2].revents)
		take_answers(live);
}

enum ctl_exit ctl_top(struct ctl *ctl)
{
	/* The terminal is always given back. Ctrl-Z does nothing: no shell must get our screen. */
	static const int handled[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP };
	struct live live = { .ctl = ctl, .top = { .now = &live.now, .live.search = live.search } };
	_cleanup_fd_ int signals = -1;
	struct termios before;
	int r;

	if (!out_is_terminal() || !isatty(STDIN_FILENO)) {
		out_error(
			"top needs a terminal that can move its cursor; brokerctl status shows the "
			"same once");
		return CTL_USAGE;
	}
	if (ask_connect(ctl) != CTL_OK)
		return CTL_NO_BROKER;
	signals = ask_signals(handled, ARRAY_SIZE(handled));
	r = signals < 0 ? -errno : open_terminal(&before);
	if (r < 0) {
		out_error("top: the terminal cannot be used: %s", strerror(-r));
		return CTL_FAILED;
	}
	while (live.end == TOP_GOES_ON)
		turn(&live, signals);
	close_terminal(&before);
	if (live.end == TOP_REFUSED)
		out_error_from(json_doc_text(view_last(&ctl->client.view), "message"));
	view_deinit(&live.now);
	view_deinit(&live.before);
	return live.end == TOP_REFUSED ? CTL_FAILED : CTL_OK;
}

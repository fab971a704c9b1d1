#include "term.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "ctl/out.h"

#define ENTER "\033[?1049h\033[?25l\033[?7l" /* alternate screen, no cursor, no wrapping */
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

int term_open(struct term *t)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &t->before) < 0)
		return -errno;
	raw = t->before;
	/* Keys as they come, unseen. Ctrl-C stays a signal. */
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return -errno;
	t->is_open = true;
	out_text(ENTER);
	(void)out_flush();
	return 0;
}

void term_close(struct term *t)
{
	if (!t->is_open)
		return;
	out_text(LEAVE);
	(void)out_flush();
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
	t->is_open = false;
}

void term_draw(const struct buf *lines)
{
	const char *at = lines->bytes, *end = at + lines->len;

	out_text("\033[H");
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline ? newline : end) - at);

		out_bytes(at, len);
		/* Erase the rest of the line. No newline after the last line: it would scroll. */
		out_text("\033[K");
		at += len + 1;
		if (at < end)
			out_text("\r\n");
	}
	out_text("\033[J");
	(void)out_flush();
}

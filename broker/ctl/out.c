#include "out.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct {
	bool color;
	bool terminal;
	bool progress; /* the cursor is in a line of out_progress() */
	int failed;    /* errno of the first write that failed; 0: none did */
} out;

static void check(bool written)
{
	if (!written && !out.failed)
		out.failed = errno;
}

bool out_init(const char *color)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	bool is_auto = !strcmp(color, "auto"), always = !strcmp(color, "always");

	out.terminal = isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
	out.color = always || (is_auto && out.terminal && !(no_color && *no_color));
	if (is_auto || always || !strcmp(color, "never"))
		return true;
	out_error("--color must be auto, always or never, not \"%s\"", color);
	return false;
}

struct screen out_screen(struct strbuf *text)
{
	struct screen s = { .color = out.color, .out = text, .left = SIZE_MAX };
	const char *environment = getenv("COLUMNS");
	long n = environment ? strtol(environment, NULL, 10) : 0;
	struct winsize size;

	s.columns = n > 0 && n < 100000 ? (unsigned)n : TEXT_UNLIMITED;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
		/* A serial line does not know its size. */
		s.columns = size.ws_col ? size.ws_col : 80;
		s.rows = size.ws_row ? size.ws_row : 24;
	}
	return s;
}

bool out_is_terminal(void)
{
	return out.terminal;
}

static void clear_progress(void)
{
	check(!out.progress || fputs("\r\033[K", stdout) >= 0);
	out.progress = false;
}

void out_bytes(const char *bytes, size_t n)
{
	clear_progress();
	check(n == 0 || fwrite(bytes, 1, n, stdout) == n);
}

void out_text(const char *text)
{
	out_bytes(text, strlen(text));
}

void out_buf(struct strbuf *b)
{
	if (b->cut)
		out_error("out of memory");
	else
		out_bytes(b->text, b->len);
	strbuf_deinit(b);
}

void out_progress(struct strbuf *line)
{
	clear_progress();
	out_buf(line);
	out.progress = true;
	(void)out_flush();
}

int out_flush(void)
{
	check(fflush(stdout) == 0);
	return -out.failed;
}

void out_error(const char *fmt, ...)
{
	va_list ap;

	clear_progress();
	(void)out_flush();
	fputs("brokerctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void out_error_from(const char *text)
{
	STRBUF(escaped, 512);

	strbuf_add_escaped(&escaped, text, strlen(text));
	out_error("%s", escaped.text);
}

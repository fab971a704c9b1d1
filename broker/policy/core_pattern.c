#include "core_pattern.h"

#include <string.h>

struct expansion {
	struct strbuf *out;
	bool has_pid; /* %p was in it */
	bool unknown; /* a * stands for something */
	bool escape;  /* what is a pattern to glob(3) is not to be one */
};

static void add_char(struct expansion *x, char c)
{
	if (x->escape && strchr("*?[\\", c))
		strbuf_add(x->out, "\\");
	strbuf_add_bytes(x->out, &c, 1);
}

/* A slash would be a directory: the kernel writes ! in its place, and for . and .. too. */
static void add_name(struct expansion *x, const char *name)
{
	if (!*name)
		add_char(x, '!');
	for (size_t i = 0; name[i]; i++) {
		bool dots = i == 0 && (!strcmp(name, ".") || !strcmp(name, ".."));

		add_char(x, name[i] == '/' || dots ? '!' : name[i]);
	}
}

static void add_specifier(struct expansion *x, char c, const struct core_facts *facts)
{
	if (c == '%') {
		add_char(x, '%');
	} else if (c == 'p') {
		x->has_pid = true;
		strbuf_addf(x->out, "%d", (int)facts->pid);
	} else if (c == 'P' && facts->global_pid) {
		strbuf_addf(x->out, "%d", (int)facts->global_pid);
	} else if (c == 's') {
		strbuf_addf(x->out, "%d", facts->signal);
	} else if (c == 'h') {
		add_name(x, facts->host);
	} else if (strchr("PugtcefEdiIC", c)) {
		x->unknown = true;
		strbuf_add(x->out, "*");
	}
	/* The kernel leaves out what it does not know. */
}

static void expand(struct expansion *x, const char *pattern, size_t len,
		   const struct core_facts *facts)
{
	for (size_t i = 0; i < len; i++) {
		if (pattern[i] != '%')
			add_char(x, pattern[i]);
		else if (++i < len)
			add_specifier(x, pattern[i], facts);
	}
}

/* The first word of what stands behind | or @: nothing is expanded in it that we would know. */
static void add_handler(const char *pattern, size_t len, struct strbuf *out)
{
	size_t begin = 1;

	while (begin < len && (pattern[begin] == ' ' || pattern[begin] == '@'))
		begin++;
	strbuf_add_bytes(out, pattern + begin, strcspn(pattern + begin, " \t\n"));
}

enum core_place core_pattern_expand(const char *pattern, const struct core_facts *facts,
				    struct strbuf *out)
{
	size_t len = strcspn(pattern, "\n"), start = out->len;
	struct expansion x = { .out = out };

	if (len == 0)
		return CORE_NOWHERE;
	if (*pattern == '|' || *pattern == '@') {
		add_handler(pattern, len, out);
		return *pattern == '|' ? CORE_PROGRAM : CORE_SOCKET;
	}
	/* Once to see whether it will be a pattern, since then it must be written as one. */
	for (int pass = 0; pass < 2; pass++) {
		out->text[out->len = start] = '\0';
		x.escape = x.unknown;
		x.has_pid = false;
		if (*pattern != '/' && facts->directory) {
			for (const char *c = facts->directory; *c; c++)
				add_char(&x, *c);
			add_char(&x, '/');
		}
		expand(&x, pattern, len, facts);
		if (facts->uses_pid && !x.has_pid)
			strbuf_addf(out, ".%d", (int)facts->pid);
	}
	return x.unknown ? CORE_GLOB : CORE_FILE;
}

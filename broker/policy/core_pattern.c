#include "core_pattern.h"

/* What is a pattern to glob(7) is not to be one. */
static void add_char(struct strbuf *out, char c)
{
	if (strchr("*?[\\", c))
		strbuf_add(out, "\\");
	strbuf_add_bytes(out, &c, 1);
}

/* A slash would be a directory: the kernel writes ! in its place, and for . and .. too. */
static void add_name(struct strbuf *out, const char *name)
{
	if (!*name)
		add_char(out, '!');
	for (size_t i = 0; name[i]; i++) {
		bool dots = i == 0 && (!strcmp(name, ".") || !strcmp(name, ".."));

		add_char(out, name[i] == '/' || dots ? '!' : name[i]);
	}
}

static void add_specifier(struct strbuf *out, char c, const struct core_facts *facts)
{
	if (c == '%')
		add_char(out, '%');
	else if (c == 'p')
		strbuf_addf(out, "%d", (int)facts->pid);
	else if (c == 'P' && facts->global_pid)
		strbuf_addf(out, "%d", (int)facts->global_pid);
	else if (c == 's')
		strbuf_addf(out, "%d", facts->signal);
	else if (c == 'h')
		add_name(out, facts->host);
	else if (strchr("PugtcefEdiIC", c))
		strbuf_add(out, "*");
	/* The kernel leaves out what it does not know. */
}

void core_pattern_expand(const char *pattern, const struct core_facts *facts, struct strbuf *out)
{
	size_t len = strcspn(pattern, "\n");
	bool has_pid = false;

	if (len && (*pattern == '|' || *pattern == '@')) {
		/* Its first word: nothing is expanded in it that we would know. */
		const char *word = pattern + 1 + strspn(pattern + 1, " @");

		strbuf_add_bytes(out, pattern, 1);
		strbuf_add_bytes(out, word, strcspn(word, " \t\n"));
		return;
	}
	if (len && *pattern != '/' && facts->directory) {
		for (const char *c = facts->directory; *c; c++)
			add_char(out, *c);
		add_char(out, '/');
	}
	for (size_t i = 0; i < len; i++) {
		if (pattern[i] != '%') {
			add_char(out, pattern[i]);
		} else if (++i < len) {
			has_pid |= pattern[i] == 'p';
			add_specifier(out, pattern[i], facts);
		}
	}
	if (len && facts->uses_pid && !has_pid)
		strbuf_addf(out, ".%d", (int)facts->pid);
}

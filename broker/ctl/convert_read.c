#include "convert_read.h"

#include "base/words.h"

#define BLANKS " \t\r"

/* The next line of *@at, without blanks around it; NULL: there is none. */
static char *next_line(struct convert *c, char **at)
{
	char *line = *at + strspn(*at, BLANKS), *end = line + strcspn(line, "\n");

	if (!**at)
		return NULL;
	*at = end + (*end == '\n');
	c->line++;
	while (end > line && strchr(BLANKS, end[-1]))
		end--;
	*end = '\0';
	return line;
}

/* The next word of *@at, which moves behind it and the blanks; empty: there is none. */
static char *cut_word(char **at)
{
	char *word = *at, *end = word + strcspn(word, BLANKS);

	*at = end + strspn(end, BLANKS);
	*end = '\0';
	return word;
}

/* What is behind the last of @marks in @word, and cuts both off; NULL: there is none of them. */
static char *cut_tail(char *word, const char *marks)
{
	char *at = word + strlen(word);

	while (at > word && !strchr(marks, *--at))
		;
	if (!strchr(marks, *at))
		return NULL;
	*at = '\0';
	return at + 1;
}

/* --- inetd --------------------------------------------------------------------------------- */

static void set(struct convert *c, const char *key, const char *text)
{
	if (text && *text)
		convert_set(c, &c->service, key, "=", text);
}

/* tcp6,rcvbuf=16k */
static void read_protocol(struct convert *c, char *word)
{
	char *at = strchr(word, ','), *name, *value;

	if (at)
		*at++ = '\0';
	set(c, "type", !strncmp(word, "rpc/", 4) ? "RPC" : NULL);
	set(c, "protocol", word);
	while (at && (name = strsep(&at, ","))) {
		value = cut_tail(name, "=");
		convert_set(c, &c->service, name, "=", value ? value : "");
	}
}

/* nowait.100 */
static bool read_wait(struct convert *c, char *word)
{
	const char *most = cut_tail(word, ".:");

	if (most)
		convert_remark(c,
			       "%s.%s: no rate stops a service here: more clients than "
			       "processes allows wait",
			       word, most);
	set(c, "wait", !strcmp(word, "wait") ? "yes" : "no");
	return !strcmp(word, "wait") || !strcmp(word, "nowait");
}

static void read_service(struct convert *c, char *words[6], const char *arguments, bool is_off)
{
	bool is_unix = !strncmp(words[2], "unix", 4);
	char *name = is_unix ? NULL : cut_tail(words[0], ":");
	const char *hosts = name ? words[0] : NULL, *group;

	if (!name)
		name = words[0];
	convert_begin(c, name);
	set(c, "disable", is_off ? "yes" : "no");
	set(c, "bind", hosts);
	set(c, "type", !strncmp(name, "tcpmux", 6) ? "TCPMUX" : NULL);
	set(c, "socket_type", words[1]);
	read_protocol(c, words[2]);
	if (!read_wait(c, words[3])) {
		convert_fail(c, "%s is neither wait nor nowait", words[3]);
		return;
	}
	group = cut_tail(words[4], ":");
	set(c, "group", group ? group : cut_tail(words[4], "."));
	set(c, "user", words[4]);
	if (!strcmp(words[5], "internal")) {
		convert_set(c, &c->service, "type", "+=", "INTERNAL");
	} else {
		set(c, "server", words[5]);
		set(c, "server_args", arguments);
		set(c, "flags", "NAMEINARGS");
	}
	convert_end(c);
}

static void read_inetd_line(struct convert *c, char *line)
{
	static const char off[] = "#<off>#";
	bool is_off = !strncmp(line, off, sizeof(off) - 1);
	char *words[6];
	const char *after;
	size_t n = 0;

	line += is_off ? sizeof(off) - 1 : 0;
	line += strspn(line, BLANKS);
	if (!*line || *line == '#')
		return;
	while (n < ARRAY_SIZE(words) && *line)
		words[n++] = cut_word(&line);
	for (char *at = words[0]; (at = strchr(at, ','));)
		*at = ' ';
	/* An address alone is that of the lines below it. */
	if (n == 1 && (after = cut_tail(words[0], ":")) && !*after)
		convert_set(c, &c->defaults, "bind", "=", words[0]);
	else if (n == ARRAY_SIZE(words))
		read_service(c, words, line, is_off);
	else if (!is_off)
		convert_fail(c, "a line of inetd.conf has at least 6 words: SERVICE TYPE PROTOCOL "
				"WAIT USER PROGRAM");
}

/* --- xinetd -------------------------------------------------------------------------------- */

/* KEY = VALUE, += or -= */
static void read_setting(struct convert *c, struct convert_service *s, char *line)
{
	size_t key = strcspn(line, BLANKS "=+-");
	char *at = line + key + strspn(line + key, BLANKS);
	char op[3] = { at[0], at[0] == '=' ? '\0' : at[0] ? at[1] : '\0', '\0' };

	if (!key || !words_have("= += -=", op)) {
		convert_fail(c, "a line that is not KEY = VALUE");
		return;
	}
	at += strlen(op);
	line[key] = '\0';
	convert_set(c, s, line, op, at + strspn(at, BLANKS));
}

/* Reads from "{" to "}". */
static void read_block(struct convert *c, struct convert_service *s, bool open, char **at)
{
	unsigned first = c->line;
	char *line;

	while ((line = next_line(c, at))) {
		if (!*line || *line == '#')
			continue;
		if (!strcmp(line, "}") && open)
			return;
		if (open)
			read_setting(c, s, line);
		else if (strcmp(line, "{") != 0)
			convert_fail(c, "there is no { below line %u", first);
		open = true;
	}
	convert_fail(c, "what begins in line %u does not end: there is no }", first);
}

static void read_xinetd_line(struct convert *c, char *line, char **at)
{
	char *rest = line;
	const char *word = cut_word(&rest);
	const char *name = !strcmp(word, "defaults") ? "" : cut_word(&rest);
	bool open = !strcmp(rest, "{");

	if (!strcmp(word, "service") && *name) {
		convert_begin(c, name);
		read_block(c, &c->service, open, at);
		convert_end(c);
	} else if (!strcmp(word, "defaults")) {
		read_block(c, &c->defaults, open, at);
	} else if ((!strcmp(word, "include") || !strcmp(word, "includedir")) && *name) {
		c->include(c, name, !strcmp(word, "includedir"));
	} else {
		convert_fail(c, "%s: neither service NAME, defaults, include nor includedir", word);
	}
}

/* --- both ---------------------------------------------------------------------------------- */

/* What the file begins with is neither empty nor a comment. */
static bool is_xinetd(const char *text)
{
	for (text += strspn(text, BLANKS "\n"); *text == '#'; text += strspn(text, BLANKS "\n"))
		text += strcspn(text, "\n");
	return words_have_bytes("service defaults include includedir", text,
				strcspn(text, BLANKS "\n"));
}

void convert_read(struct convert *c, const char *file, char *text)
{
	const char *outer_file = c->file;
	unsigned outer_line = c->line;
	bool xinetd = is_xinetd(text);
	char *line;

	c->file = file;
	c->line = 0;
	if (!xinetd)
		convert_set(c, &c->defaults, "bind", "=", "");
	while ((line = next_line(c, &text)))
		if (!xinetd)
			read_inetd_line(c, line);
		else if (*line && *line != '#')
			read_xinetd_line(c, line, &text);
	c->file = outer_file;
	c->line = outer_line;
}

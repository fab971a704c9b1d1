#include "script.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool script_parse(const void *buf, size_t len, struct script *ret)
{
	const char *p = buf, *end, *word, *newline;

	if (len > SCRIPT_LINE)
		len = SCRIPT_LINE;
	if (len < 3 || p[0] != '#' || p[1] != '!')
		return false;
	newline = memchr(p, '\n', len);
	end = newline ? newline : p + len;
	/* A line ends at a NUL for the kernel too, since it handles the rest as a string. */
	if (memchr(p, '\0', (size_t)(end - p)))
		end = memchr(p, '\0', (size_t)(end - p));

	p += 2;
	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	word = p;
	while (p < end && !is_blank(*p))
		p++;
	if (p == word)
		return false;
	if (!newline && p == (const char *)buf + SCRIPT_LINE)
		return false;
	memcpy(ret->interpreter, word, (size_t)(p - word));
	ret->interpreter[p - word] = '\0';

	while (p < end && is_blank(*p))
		p++;
	memcpy(ret->argument, p, (size_t)(end - p));
	ret->argument[end - p] = '\0';
	return true;
}

/* Copies the word at *@p and moves behind it. False at the end. */
static bool next_word(const char **p, char ret[SCRIPT_LINE])
{
	size_t n = 0;

	while (is_blank(**p))
		(*p)++;
	while (**p && !is_blank(**p))
		ret[n++] = *(*p)++;
	ret[n] = '\0';
	return n > 0;
}

bool script_env_name(const struct script *script, char ret[SCRIPT_LINE])
{
	const char *slash = strrchr(script->interpreter, '/');
	const char *p = script->argument;
	char word[SCRIPT_LINE] = "";

	if (strcmp(slash ? slash + 1 : script->interpreter, "env") != 0)
		return false;
	/* Without -S the whole argument is one word: env looks for a program of that name. */
	if (*p != '-' && !strchr(p, '=')) {
		strcpy(ret, p);
		return *p != '\0';
	}
	while (next_word(&p, word)) {
		if (!strncmp(word, "-S", 2) && word[2]) {
			if (strchr(word + 2, '='))
				continue;
			strcpy(ret, word + 2);
			return true;
		}
		if (!strcmp(word, "-u") || !strcmp(word, "-C")) {
			(void)next_word(&p, word);
			continue;
		}
		if (word[0] == '-' || strchr(word, '='))
			continue;
		strcpy(ret, word);
		return true;
	}
	return false;
}

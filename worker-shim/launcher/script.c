#include "script.h"

#include <string.h>

#define BLANKS " \t"

bool script_parse(const void *buf, size_t len, struct script *ret)
{
	char line[SCRIPT_LINE + 1] = "", *end, *word;
	size_t n;

	memcpy(line, buf, len < SCRIPT_LINE ? len : SCRIPT_LINE);
	if (line[0] != '#' || line[1] != '!')
		return false;
	/* A line ends at a NUL for the kernel too, since it handles the rest as a string. */
	end = line + strcspn(line, "\n");
	word = line + 2 + strspn(line + 2, BLANKS);
	n = strcspn(word, BLANKS "\n");
	if (n == 0 || word + n == line + SCRIPT_LINE)
		return false;
	while (end > word + n && strchr(BLANKS, end[-1]))
		end--;
	*end = '\0';
	strcpy(ret->argument, word + n + strspn(word + n, BLANKS));
	word[n] = '\0';
	strcpy(ret->interpreter, word);
	return true;
}

bool script_env_name(const struct script *script, char ret[SCRIPT_LINE])
{
	const char *slash = strrchr(script->interpreter, '/');
	const char *argument = script->argument;
	char words[SCRIPT_LINE], *rest, *word;

	if (strcmp(slash ? slash + 1 : script->interpreter, "env") != 0)
		return false;
	/* Without -S the whole argument is one word: env looks for a program of that name. */
	if (*argument != '-' && !strchr(argument, '=')) {
		strcpy(ret, argument);
		return *argument != '\0';
	}
	strcpy(words, argument);
	for (word = strtok_r(words, BLANKS, &rest); word; word = strtok_r(NULL, BLANKS, &rest)) {
		if (!strncmp(word, "-S", 2) && word[2])
			word += 2;
		else if (!strcmp(word, "-u") || !strcmp(word, "-C"))
			(void)strtok_r(NULL, BLANKS, &rest);
		if (*word == '-' || strchr(word, '='))
			continue;
		strcpy(ret, word);
		return true;
	}
	return false;
}

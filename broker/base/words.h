/*
 * words - lists of words, and one value of the file, split into words as a shell would split it.
 *
 * Blanks separate words. '...' keeps everything, "..." keeps everything but backslash before
 * " \ $ `, a backslash outside quotes keeps the next character. A # at the start of a word begins
 * a comment. Nothing is expanded: no variable, no pattern, no ~.
 *
 * What a shell would act on is refused where passing it on would be a silent surprise: an unquoted
 * $ or ` everywhere, and | ; & < > in a command. * ? [ { ~ ( ! pass as they are: a program that
 * gets one and cannot use it says so, and java expands a class path itself.
 */
#pragma once

#include "base/strbuf.h"

#define WORDS_MAX	256
#define WORDS_BYTES_MAX 16384 /* of all words together, after unquoting */

enum words_kind {
	WORDS_VALUE,
	WORDS_COMMAND, /* also refuses | ; & < > */
};

/*
 * Splits @text, of which *@ret_len bytes come before a comment and the blanks there. The number of
 * words: *@ret is the caller's to free(3), one allocation with the strings, and ends with NULL.
 * -EINVAL: @ret_error says what is wrong (a clause without a full stop). -ENOMEM.
 */
int words_split(enum words_kind kind, const char *text, char ***ret, size_t *ret_len,
		struct strbuf *ret_error);

/* Whether @text, words with blanks between them, has @word, of @n bytes, in any case of letters. */
bool words_have_bytes(const char *text, const char *word, size_t n);
static inline bool words_have(const char *text, const char *word)
{
	return words_have_bytes(text, word, strlen(word));
}

/* The bytes of NAME, as a shell has it, where @text begins with NAME=; else 0. */
size_t words_name_len(const char *text);

/*
 * Writes @word so that words_split gives it back, but for what cannot stand in a file (it came from
 * a command line): a control character or a byte that is not UTF-8 is shown as \xNN.
 */
void words_add_quoted(struct strbuf *out, const char *word);
void words_add_command(struct strbuf *out, char *const *words); /* all of them; NULL: none */

/* @text without the blanks around it, in place. */
static inline char *words_trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && strchr(" \t", text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

/* The last part of @path. */
static inline const char *words_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * --- lists as execve(2) takes them: pointers, the last of them NULL. An empty one is NULL -------
 *
 * What allocates returns -ENOMEM and leaves the list as it was.
 */

int strlist_append(char ***list, const char *text);
int strlist_copy(char *const *from, char ***ret);
void strlist_free(char **list);
bool strlist_equal(char *const *a, char *const *b);

/*
 * --- files of variables, as systemd's EnvironmentFile= reads them -------------------------------
 *
 *	# a comment, as is a line with ;
 *	NAME=value
 *	OTHER="a value with blanks,	# and more lines: up to the other quote
 *	and \"escapes\""
 *	LONG=goes on \
 *		in the next line
 *
 * Nothing is expanded. But for that, what systemd passes over with a warning is refused here.
 *
 * Appends each NAME=value of @text, @len bytes and a NUL, the whole file called @file in messages,
 * to @list. 0; -ENOMEM; -EINVAL with @error: "FILE:LINE: what is wrong".
 */
int env_file_parse(const char *file, const char *text, size_t len, char ***list,
		   struct strbuf *error);

/* --- the word that was probably meant -------------------------------------------------------- */

/*
 * The one of @n @candidates that differs least from @word, or NULL if none is near: up to one edit
 * in three letters, three at most. An edit is a letter more, less or other, or two neighbours
 * swapped (optimal string alignment). Upper and lower case are the same letter, and so are '-' and
 * '_'. The first of equally near ones wins. A NULL is near nothing.
 */
const char *nearest(const char *word, const char *const *candidates, size_t n);

/* The same of the names of signals; @word may begin with SIG. */
const char *nearest_signal(const char *word);

/* A word of other programs of the kind, and what it is called here. */
struct synonym {
	const char *word, *here;
};

/* The name here of exactly @word; NULL: @synonyms, which ends with an empty one, has none. */
const char *synonym_find(const struct synonym *synonyms, const char *word);

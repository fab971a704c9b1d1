/*
 * answer.h - reads one line of the broker's control socket: a JSON object.
 *
 * Strict, bounded and pure: what is not JSON is refused whole, what is not asked for is passed
 * over.
 */
#ifndef LAUNCHER_ANSWER_H
#define LAUNCHER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

struct answer_field {
	const char *key;
	char *value; /* storage; empty if the key is absent, or its value null, object or array */
	size_t size;
};

/*
 * Reads the object at @line, @len bytes without the newline, into @fields, @n of them: strings
 * decoded, numbers and booleans as they stand. False if it is not one JSON object, if a value that
 * is asked for does not fit or holds a NUL: then the fields are undefined.
 */
bool answer_read(const char *line, size_t len, struct answer_field *fields, size_t n);

#endif

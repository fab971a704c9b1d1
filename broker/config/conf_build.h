/*
 * conf_build - from the text of a file, or a command line, to a struct conf.
 *
 * Pure: it opens no file, looks up no user, binds no address and logs nothing.
 * The caller brings the text and the few facts of the machine.
 */
#pragma once

#include "config/types.h"

/*
 * Reads @text (@len bytes, the whole file called @file in messages). 0: *@ret is the caller's, see
 * conf_free. -EINVAL: @error holds one message a line, in the order of the file, each "FILE:LINE:
 * what is wrong, what was given, what is allowed" (without FILE:LINE where none is to blame, such
 * as $WORKER_COUNT); the last one ends without a newline. -ENOMEM: @error is empty.
 *
 * @error NULL: reads the [broker] section alone, as far as it can, and passes mistakes over. It
 * serves to find a broker that runs with what the file was before.
 */
int conf_parse(const char *file, const char *text, size_t len, const struct conf_facts *facts,
	       struct conf **ret, struct strbuf *error);

/*
 * As conf_parse() from the command line: `broker -w N -l ADDRESS -- command...`. The service is
 * called after the command ("app" where its name will not do). @workers NULL: the default.
 * @listen: @n_listen texts as in a `listen` line. Messages begin without FILE:LINE.
 */
int conf_from_command(char *const *argv, const char *workers, const char *const *listen,
		      size_t n_listen, const struct conf_facts *facts, struct conf **ret,
		      struct strbuf *error);

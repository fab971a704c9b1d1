/*
 * conf_print - a configuration as text: broker --print-config.
 */
#pragma once

#include "config/types.h"

/*
 * Writes every option with its value and, in a comment, where that came from.
 * The text is a valid file that means the same: [defaults] and what depends on
 * the machine are in it as the values that they came to, paths are absolute.
 * (Words of a command line may hold what cannot stand in a file; see
 * words_add_quoted.) 0: *@ret_text is the caller's to free. -ENOMEM.
 */
int conf_print(const struct conf *conf, char **ret_text);

/*
 * checks - what `broker -t` does: what a start would fail at, found without starting anything.
 */
#pragma once

#include "types.h"

/*
 * Looks at all of @conf: users and groups, directories, programs, files, addresses, the descriptor
 * limit. Binds an address for a moment, but does not listen; one that is in use is no mistake: the
 * broker itself may be running. EXIT_CODE_OK; else @found has a line for each
 * mistake, with its line in the file.
 */
enum exit_code checks_run(struct conf *conf, struct strbuf *found);

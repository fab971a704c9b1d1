/*
 * doctor_process - what /proc and the kernel's socket tables say about a running program and its
 * children.
 */
#pragma once

#include <limits.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/strbuf.h"

/*
 * Finds what @pid runs: the file, and the words of its command, for strlist_free(). 0; or -errno
 * with @error.
 */
int doctor_find_process(pid_t pid, char ret_image[PATH_MAX], char ***ret_words,
			struct strbuf *error);

/* Adds the member "process" to an object. 0; or -errno with @error. */
int doctor_add_process(pid_t pid, struct buf *out, struct strbuf *error);

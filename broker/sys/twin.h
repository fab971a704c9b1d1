/*
 * twin - bytes that outlive the process that writes them, whenever it is killed.
 *
 * They are written into two files in memory in turn: while one is being written the other is whole.
 * Whether bytes are whole they say themselves (policy/kept.h has a checksum at their end): a reader
 * looks at the newest, and then at those before.
 */
#pragma once

#include "base/util.h"

struct twin {
	int fds[2];	 /* owned; -1: none */
	uint64_t number; /* of the bytes that were written last; 0: none were */
	struct {
		char *at; /* of the whole file; NULL: not yet */
		size_t size;
	} maps[2];
};

/* Both files, empty, close-on-exec. 0 or -errno. */
int twin_make(struct twin *t);

/* Takes *@fds, which another process has made, over. 0 or -errno. */
int twin_adopt(struct twin *t, const int fds[2]);
void twin_close(struct twin *t);

/*
 * The file whose turn it is, mapped: bytes go to *@ret, *@ret_size at most, which is at least
 * @need. What was written last is still whole. 0 or -errno.
 */
int twin_begin(struct twin *t, size_t need, char **ret, size_t *ret_size);

/* The first @len bytes there are what was written last. */
void twin_end(struct twin *t, size_t len);

/*
 * The last bytes, or those @before them. 0 with *@ret, owned by the caller, aligned as malloc(3)
 * does, and *@ret_len; -ENODATA: there are none; -errno.
 */
int twin_read(const struct twin *t, bool before, void **ret, size_t *ret_len);

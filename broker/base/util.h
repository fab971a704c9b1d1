/*
 * util.h - the few macros that C leaves out.
 *
 * No system call, nothing that needs a source file.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef NDEBUG
#error "assert() guards descriptors and pids here: it stays on in every build"
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define MSEC_PER_SEC  1000
#define NSEC_PER_MSEC 1000000

/*
 * Makes room for one more element in @array, which has @n. False: no memory, and it is as it was.
 * Its room doubles at each power of two, so nothing else may have allocated it.
 */
#define array_grow(array, n) array_grow_bytes((void **)&(array), n, sizeof(*(array)))
static inline bool array_grow_bytes(void **array, size_t n, size_t size)
{
	void *grown = (n & (n - 1)) == 0 ? realloc(*array, (n ? 2 * n : 1) * size) : *array;

	if (grown)
		*array = grown;
	return grown;
}

static inline void freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ __attribute__((cleanup(freep)))

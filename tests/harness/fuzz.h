/*
 * fuzz.h - what the fuzz targets of tests/fuzz share.
 *
 * A target is one function, as libFuzzer calls it: any bytes in, and it must return. What it finds
 * beside crashes it says by MUST(). The Makefile links each with one of two mains: libFuzzer's,
 * with the sanitizers (`make fuzz`), or replay.c, which feeds it the files of its corpus (`make
 * check`).
 *
 * `links:` and `wrap:` as in tests/unit.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that holds for every input. */
#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #cond);        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* Memory of exactly @size bytes, so that the sanitizer sees each read behind it. */
static inline void *fuzz_bytes(const void *data, size_t size)
{
	void *copy = calloc(1, size ? size : 1);

	MUST(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

/* The same with a NUL behind it, for what takes text. It ends at the first NUL of @data. */
static inline char *fuzz_text(const void *data, size_t size)
{
	char *copy = calloc(1, size + 1);

	MUST(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

/* With `links: tests/harness/fuzz_paths` for broker/base/paths: the names of Unix sockets that the
 * input before this one has left would fill their table. */
void fuzz_forget_paths(void);

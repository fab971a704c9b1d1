/*
 * hash - FNV-1a: for short keys of which nobody gains by making two alike.
 */
#pragma once

#include <string.h>
#include "base/util.h"

#define HASH_BEGIN 2166136261u

static inline uint32_t hash_add(uint32_t hash, const void *bytes, size_t n)
{
	for (const uint8_t *at = bytes, *end = at + n; at < end; at++)
		hash = (hash ^ *at) * 16777619u;
	return hash;
}

static inline uint32_t hash_add_text(uint32_t hash, const char *text)
{
	return hash_add(hash, text, strlen(text));
}

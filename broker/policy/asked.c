#include "asked.h"

#include <string.h>

bool asked_equal(const struct asked *a, const struct asked *b)
{
	return !strcmp(a->device, b->device) && !memcmp(a->values, b->values, sizeof(a->values)) &&
	       a->elsewhere == b->elsewhere;
}

void asked_add(struct asked *asked, const struct asked *more)
{
	if (*more->device)
		memcpy(asked->device, more->device, sizeof(asked->device));
	for (size_t i = 0; i < ASKED_N; i++)
		if (more->values[i])
			asked->values[i] = more->values[i];
}

#include "asked.h"

#include <stddef.h>
#include <string.h>

void asked_add(struct asked *asked, const struct asked *more)
{
	if (*more->device)
		memcpy(asked->device, more->device, sizeof(asked->device));
	for (size_t i = 0; i < ASKED_N; i++)
		if (more->values[i])
			asked->values[i] = more->values[i];
}

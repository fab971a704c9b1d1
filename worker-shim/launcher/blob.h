/*
 * blob.h - the blob (trap/params.h), as the build has put it into this program.
 */
#pragma once

#include <stdbool.h>
#include "trap/params.h"

/* Its beginning, which is that of what the build has made. */
const struct trap_head *blob_head(void);

/* The file of this program, for @params, which executes others. False, with the reason. */
bool blob_name_launcher(struct trap_params *params);

/* The image as it has to be at @base, to the end of its variables; the caller's until the next. */
const unsigned char *blob_image(uint64_t base, const struct trap_params *params);

/* Where its text is in the file of this program: what is not changed costs no memory. */
uint64_t blob_offset(void);

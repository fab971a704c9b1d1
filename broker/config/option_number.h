/*
 * option_number - the option types whose value is a number.
 */
#pragma once

#include "config/option_type.h"

extern const struct option_type type_count;   /* unsigned; a word of the option, too */
extern const struct option_type type_size;    /* unsigned, bytes */
extern const struct option_type type_ms;      /* int64_t */
extern const struct option_type type_seconds; /* unsigned */

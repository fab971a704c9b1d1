/*
 * origin - where the values of a struct broker_conf or service_conf came from.
 *
 * Each option has one record for its value, and a list one for each entry, in
 * the order of the entries. A list that is empty has one record.
 */
#pragma once

#include "config/option_table.h"

/* The record of entry @entry (0 where it is no list), NULL if there is none. */
const struct conf_origin *origin_find(const struct option *opt, const void *conf, size_t entry);

/* The line that set it; 0 if no line did. */
unsigned origin_line(const struct option *opt, const void *conf, size_t entry);

/* Replaces the records from @entry on by @n like @origin. 0 or -ENOMEM. */
int origin_set(const struct option *opt, void *conf, size_t entry, size_t n,
	       struct conf_origin origin);

/* Forgets entry @entry; those behind it move up by one. */
void origin_remove(const struct option *opt, void *conf, size_t entry);

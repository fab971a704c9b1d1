/*
 * conf_keep - configurations as bytes that another program reads: exactly what was read once, so
 * that every value, origin and line is the same there, whatever has become of the file.
 */
#pragma once

#include "config/conf.h"

/* The command line that a configuration may have come from. */
struct conf_command {
	char *const *argv; /* NULL: none */
	const char *workers;
	const char *const *listen;
	size_t n_listen;
};

/* 0: *@ret is the caller's; -EINVAL, -ENOMEM with @error. @bytes: conf_source.bytes */
int conf_unkeep(const char *bytes, size_t len, const struct conf_command *command,
		struct conf **ret, struct strbuf *error);

/* Of a service: the .number of its source, its name, and what the disk had said. */
void service_conf_keep(const struct service_conf *sc, struct strbuf *out);

/* The one of that name in @confs[number - 1], filled; NULL: there is none, or no memory. */
struct service_conf *service_conf_unkeep(const char *bytes, size_t len, struct conf *const *confs,
					 size_t n);

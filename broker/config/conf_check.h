/*
 * conf_check - the messages of one look at a configuration, and what is wrong between values that
 * are good one by one.
 *
 * Messages are kept in line order, each once: a mistake in [defaults] is found again for every
 * service that inherits it. Only the first CONF_ERRORS_MAX, by line, are kept.
 */
#pragma once

#include "config/types.h"

struct conf_error {
	unsigned line; /* 0: no line is to blame */
	char text[800];
};

struct conf_errors {
	size_t n;
	bool more; /* than are kept */
	struct conf_error error[CONF_ERRORS_MAX];
};

void conf_errors_add(struct conf_errors *errors, unsigned line, const char *fmt, ...) PRINTF(3, 4);

/* One "FILE:LINE: text" a line, or "text" where there is no line. */
void conf_errors_print(const struct conf_errors *errors, const char *file, struct strbuf *out);

void conf_check_service(const struct service_conf *sc, struct conf_errors *errors);

/* Two listen addresses of which Linux binds only one, in all services and the broker's own. */
void conf_check_listeners(const struct conf *conf, struct conf_errors *errors);

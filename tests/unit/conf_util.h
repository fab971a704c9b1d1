/*
 * conf_util.h - what the tests of the configuration share.
 */
#pragma once

#include "config/conf.h"
#include "config/option.h"
#include "tap.h"

static const struct conf_facts conf_test_facts = { .cpus = 3, .base_dir = "/etc/broker" };

/* Parses as "broker.ini"; the messages of a bad file end up in @error. */
static inline int conf_try_facts(const char *text, const struct conf_facts *facts,
				 struct conf **ret, struct strbuf *error)
{
	return conf_parse("broker.ini", text, strlen(text), facts, ret, error);
}

/* A file that must be good. */
static inline struct conf *conf_good_facts(const char *text, const struct conf_facts *facts)
{
	struct conf *conf = NULL;
	STRBUF(error, CONF_ERROR_BYTES);
	int r = conf_try_facts(text, facts, &conf, &error);

	CHECK_STR(error.text, "");
	CHECK_EQ(r, 0);
	return conf;
}

static inline struct conf *conf_good(const char *text)
{
	return conf_good_facts(text, &conf_test_facts);
}

/* As option_set(), for a value without a line. */
static inline int conf_set(const struct option *option, const char *text, void *conf,
			   struct strbuf *error)
{
	struct option_setting setting = { .option = option, .text = text };

	return option_set(&setting, &conf_test_facts, conf, error);
}

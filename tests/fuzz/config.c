/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_plan */
/* links: broker/config/conf_read broker/base/words broker/config/option */
/* links: broker/config/option_table broker/config/option_list broker/config/health_probe */
/* links: broker/config/option_word broker/base/units broker/base/strbuf tests/harness/fuzz_paths */
/*
 * A configuration file. What is printed of a good one means the same; of a bad one something is
 * said.
 */
#include "config/conf.h"
#include "config/conf_plan.h"
#include "fuzz.h"

static const struct conf_facts facts = { .cpus = 2, .base_dir = "/srv" };

static void differs(void *arg, const struct conf_change *change)
{
	(void)arg;
	/* A row without a key is in every plan: its workers are replaced. */
	if (change->key == NULL)
		return;
	fprintf(stderr, "%s %s: %s -> %s\n", change->section, change->key, change->from,
		change->to);
	abort();
}

static struct conf *parse(const char *text, size_t size)
{
	STRBUF(error, CONF_ERROR_BYTES);
	struct conf *conf = NULL;
	int r = conf_parse("broker.ini", text, size, &facts, &conf, &error);

	MUST((r == 0) == (conf != NULL) && (r == 0) == (error.len == 0));
	return conf;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_bytes(data, size), *printed = NULL;
	struct conf *conf = parse(text, size), *again = NULL, *broker = NULL;

	if (conf) {
		MUST(conf_print(conf, &printed) == 0);
		again = parse(printed, strlen(printed));
		MUST(again && again->n_services == conf->n_services);
		conf_plan(conf, &conf->broker, again, NULL, differs, NULL);
	}
	if (conf_parse("broker.ini", text, size, &facts, &broker, NULL) == 0)
		conf_free(broker);
	conf_free(conf);
	conf_free(again);
	free(printed);
	free(text);
	fuzz_forget_paths();
	return 0;
}

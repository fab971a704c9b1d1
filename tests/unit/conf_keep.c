/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/base/words broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/health_probe broker/config/option_word */
/* links: broker/base/units broker/base/strbuf broker/base/paths */
#include "config/conf.h"

#include <errno.h>
#include "base/words.h"
#include "conf_util.h"

#define EXAMPLE "docs/examples/full.ini"

static const struct conf_command no_command;

static char *read_example(void)
{
	FILE *file = fopen(EXAMPLE, "r");
	char *text = calloc(1, CONF_FILE_MAX + 1);

	if (!file)
		tap_fail(__FILE__, __LINE__, "cannot open " EXAMPLE);
	CHECK(text && fread(text, 1, CONF_FILE_MAX, file) > 0);
	fclose(file);
	return text;
}

static struct conf *read_again(const struct conf *conf, const struct conf_command *command)
{
	struct conf *again = NULL;
	STRBUF(error, CONF_ERROR_BYTES);

	CHECK_EQ(conf_unkeep(conf->source->bytes, conf->source->len, command, &again, &error), 0);
	CHECK_STR(error.text, "");
	return again;
}

/* Every option with its value, and where that came from: file, line, default, environment. */
static void check_same(const struct conf *a, const struct conf *b)
{
	char *one, *other;

	CHECK_EQ(conf_print(a, &one), 0);
	CHECK_EQ(conf_print(b, &other), 0);
	CHECK_STR(one, other);
	free(one);
	free(other);
	CHECK_EQ(a->n_services, b->n_services);
	for (size_t i = 0; i < a->n_services; i++)
		for_each_option (opt, OPTION_SERVICE)
			CHECK(option_equal(opt, a->services[i], b->services[i]));
}

TEST(the_full_example_is_read_again_as_it_was)
{
	const struct conf_facts facts = { .worker_count = "7", .cpus = 3, .base_dir = "/etc/b" };
	char *text = read_example();
	struct conf *conf = conf_good_facts(text, &facts), *again = read_again(conf, &no_command);

	check_same(conf, again);
	conf_free(conf);
	/* And once more: what was read again can be kept, too. */
	conf = read_again(again, &no_command);
	check_same(conf, again);
	conf_free(again);
	conf_free(conf);
	free(text);
}

TEST(a_command_line_is_read_again_from_its_arguments)
{
	char *argv[] = { (char[]){ "app" }, (char[]){ "two\nlines" }, NULL };
	const struct conf_command command = { argv, "4", { "8080" }, 1 };
	struct conf *conf = NULL, *again;
	STRBUF(error, CONF_ERROR_BYTES);

	CHECK_EQ(conf_from_command(&command, &conf_test_facts, &conf, &error), 0);
	again = read_again(conf, &command);
	check_same(conf, again);
	CHECK_STR(again->services[0]->command[1], "two\nlines");
	conf_free(again);
	CHECK_EQ(conf_unkeep(conf->source->bytes, conf->source->len, &no_command, &again, &error),
		 -EINVAL);
	conf_free(conf);
}

TEST(what_the_disk_has_said_of_a_service_comes_along)
{
	struct conf *conf = conf_good("[service:a]\ncommand = x\n[service:b]\ncommand = y\n");
	struct conf *again = read_again(conf, &no_command);
	struct service_conf *b = conf->services[1], *found;
	struct strbuf text = STRBUF_GROWS(4096);

	b->release = strdup("/srv/releases/7");
	CHECK_EQ(strlist_append(&b->file_environment, "A=1"), 0);
	CHECK_EQ(strlist_append(&b->file_environment, "B="), 0);
	conf->source->number = 1;
	service_conf_keep(b, &text);
	found = service_conf_unkeep(text.text, text.len, &again, 1);
	CHECK(found == again->services[1]);
	CHECK_STR(found->release, "/srv/releases/7");
	CHECK(strlist_equal(found->file_environment, b->file_environment));
	/* Of a number that there is not; cut. */
	CHECK(!service_conf_unkeep(text.text, text.len, &again, 0));
	for (size_t len = 0; len < 6; len++)
		CHECK(!service_conf_unkeep(text.text, len, &again, 1));
	strbuf_deinit(&text);
	conf_free(conf);
	conf_free(again);
}

TEST(bytes_of_another_form_are_refused)
{
	struct conf *conf = conf_good("[service:a]\ncommand = x\n"), *again;
	STRBUF(error, CONF_ERROR_BYTES);

	for (size_t len = 0; len < 10; len++)
		CHECK_EQ(conf_unkeep(conf->source->bytes, len, &no_command, &again, &error),
			 -EINVAL);
	conf_free(conf);
}

TAP_MAIN()

#include "conf_print.h"

#include "config/option.h"
#include "config/origin.h"

#include <errno.h>
#include <string.h>

#define FIRST_SIZE   (64 * 1024)
#define LARGEST_SIZE ((size_t)1 << 30) /* 256 services that inherit a file full of variables */
#define COLUMN	     40		       /* where the comments begin, if the value is shorter */

static void add_origin(const struct conf *conf, const struct option *option,
		       const struct conf_origin *origin, struct strbuf *out)
{
	const char *file = conf->file ? conf->file : "command line";

	switch (origin->kind) {
	case ORIGIN_DEFAULT:
		strbuf_add(out, "default");
		break;
	case ORIGIN_FILE:
	case ORIGIN_DEFAULTS:
		strbuf_add(out, origin->kind == ORIGIN_DEFAULTS ? "[defaults] " : "");
		strbuf_add_escaped(out, file, strlen(file));
		strbuf_addf(out, ":%u", origin->line);
		break;
	case ORIGIN_ENVIRONMENT:
		strbuf_addf(out, "$%s", option->variable);
		break;
	case ORIGIN_COMMAND_LINE:
		strbuf_add(out, "command line");
		break;
	}
}

static void print_entry(const struct conf *conf, const struct option *option, const void *values,
			size_t entry, struct strbuf *out)
{
	size_t start = out->len, width;

	option_add_key(option, values, entry, out);
	strbuf_add(out, " = ");
	option_format(option, values, entry, out);
	width = out->len - start;
	strbuf_addf(out, "%*s # ", width < COLUMN ? (int)(COLUMN - width) : 0, "");
	add_origin(conf, option, origin_find(option, values, entry), out);
	strbuf_add(out, "\n");
}

static void print_section(const struct conf *conf, enum option_section section, const void *values,
			  struct strbuf *out)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *option = &option_table[i];

		if (option->section != section)
			continue;
		/* An empty list has its line too: every option is shown. */
		for (size_t entry = 0; entry == 0 || entry < option_entries(option, values);
		     entry++)
			print_entry(conf, option, values, entry, out);
	}
}

static void print(const struct conf *conf, struct strbuf *out)
{
	strbuf_add(out, "[broker]\n");
	print_section(conf, OPTION_BROKER, &conf->broker, out);
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];

		strbuf_addf(out, "\n[service:%s]\n", sc->name);
		print_section(conf, OPTION_SERVICE, sc, out);
	}
}

int conf_print(const struct conf *conf, char **ret_text)
{
	/* A strbuf says when it was too small: then once more, with twice the room. */
	for (size_t size = FIRST_SIZE; size <= LARGEST_SIZE; size *= 2) {
		_cleanup_free_ char *text = malloc(size);
		struct strbuf out;

		if (!text)
			return -ENOMEM;
		strbuf_init(&out, text, size);
		print(conf, &out);
		if (out.cut)
			continue;
		*ret_text = text;
		text = NULL;
		return 0;
	}
	return -ENOMEM;
}

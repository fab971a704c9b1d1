/*
 * The option types whose value is an array with a count: listen, private_ports.
 */
#include "config/option_type.h"

#include "base/address.h"
#include "base/quote.h"

#include <errno.h>
#include <string.h>

static size_t count_of(const struct option *opt, const void *conf)
{
	return *(const size_t *)also_in(opt, conf);
}

/* Puts @n entries of @size bytes behind those that are there. 0 or -ENOMEM. */
static int append(const struct option *opt, void *conf, const void *add, size_t n, size_t size)
{
	void **array = field_of(opt, conf);
	size_t *count = also_of(opt, conf);
	void *bigger = realloc(*array, (*count + n) * size);

	if (!bigger)
		return -ENOMEM;
	memcpy((char *)bigger + *count * size, add, n * size);
	*array = bigger;
	*count += n;
	return 0;
}

static void array_clear(const struct option *opt, void *conf)
{
	free(*(void **)field_of(opt, conf));
	*(size_t *)also_of(opt, conf) = 0;
}

/* --- listen -------------------------------------------------------------------------- */

static int listen_parse(const struct option *opt, char *const *word, size_t n,
			const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	struct conf_listen add = { 0 };
	int r;

	(void)facts;
	if (n != 1 && (n != 3 || strcmp(word[1], "for") != 0)) {
		quote_add(why, word[1]);
		strbuf_add(why, " after the address (one address a line)");
		return -EINVAL;
	}
	r = address_parse(word[0], &add.addr, &add.port_only, why);
	if (r < 0)
		return r;
	add.app_port = add.addr.port;
	if (n == 3 && address_parse_port(word[2], &add.app_port) < 0) {
		quote_add(why, word[2]);
		strbuf_add(why, " is not a port from 1 to 65535");
		return -EINVAL;
	}
	return append(opt, conf, &add, 1, sizeof(add));
}

static const struct conf_listen *get_listen(const struct option *opt, const void *conf)
{
	return *(const struct conf_listen *const *)field_in(opt, conf);
}

static void listen_format(const struct option *opt, const void *conf, size_t entry,
			  struct strbuf *out)
{
	const struct conf_listen *l = &get_listen(opt, conf)[entry];

	if (l->port_only)
		strbuf_addf(out, "%u", l->addr.port);
	else
		address_format(&l->addr, out);
	if (l->app_port != l->addr.port)
		strbuf_addf(out, " for %u", l->app_port);
}

static void listen_allowed(const struct option *opt, struct strbuf *out)
{
	(void)opt;
	strbuf_add(out, "[ADDRESS:]PORT [for PORT]");
}

static bool listen_equal(const struct option *opt, const void *a, const void *b)
{
	const struct conf_listen *x = get_listen(opt, a), *y = get_listen(opt, b);

	if (count_of(opt, a) != count_of(opt, b))
		return false;
	/* Not the lines: a listener that moved in the file is the same listener. */
	for (size_t i = 0; i < count_of(opt, a); i++)
		if (memcmp(&x[i].addr, &y[i].addr, sizeof(x[i].addr)) != 0 ||
		    x[i].port_only != y[i].port_only || x[i].app_port != y[i].app_port)
			return false;
	return true;
}

const struct option_type type_listen = {
	.name = "list",
	.list = true,
	.one_entry = true,
	.may_unset = true,
	.parse = listen_parse,
	.format = listen_format,
	.allowed = listen_allowed,
	.equal = listen_equal,
	.clear = array_clear,
	.entries = count_of,
	.size = sizeof(struct conf_listen *),
};

/* --- ports --------------------------------------------------------------------------- */

static int parse_range(const char *word, struct conf_port_range *ret, struct strbuf *why)
{
	const char *dash = strchr(word, '-');
	char first[8];
	size_t len = dash ? (size_t)(dash - word) : strlen(word);
	struct conf_port_range range;

	if (len >= sizeof(first))
		goto bad;
	memcpy(first, word, len);
	first[len] = '\0';
	if (address_parse_port(first, &range.first) < 0)
		goto bad;
	range.last = range.first;
	if (dash && address_parse_port(dash + 1, &range.last) < 0)
		goto bad;
	if (range.last < range.first) {
		quote_add(why, word);
		strbuf_add(why, " ends before it begins");
		return -EINVAL;
	}
	*ret = range;
	return 0;
bad:
	quote_add(why, word);
	strbuf_add(why, " is not a port from 1 to 65535, or a range of them");
	return -EINVAL;
}

static int ports_parse(const struct option *opt, char *const *word, size_t n,
		       const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	struct conf_port_range add[CONF_LIST_MAX];

	(void)facts;
	assert(n <= ARRAY_SIZE(add)); /* option_set has looked */
	for (size_t i = 0; i < n; i++) {
		int r = parse_range(word[i], &add[i], why);

		if (r < 0)
			return r;
	}
	return append(opt, conf, add, n, sizeof(*add));
}

static const struct conf_port_range *get_ports(const struct option *opt, const void *conf)
{
	return *(const struct conf_port_range *const *)field_in(opt, conf);
}

static void ports_format(const struct option *opt, const void *conf, size_t entry,
			 struct strbuf *out)
{
	const struct conf_port_range *range = &get_ports(opt, conf)[entry];

	strbuf_addf(out, "%u", range->first);
	if (range->last != range->first)
		strbuf_addf(out, "-%u", range->last);
}

static void ports_allowed(const struct option *opt, struct strbuf *out)
{
	(void)opt;
	strbuf_add(out, "PORT ..., FIRST-LAST ...");
}

static bool ports_equal(const struct option *opt, const void *a, const void *b)
{
	const struct conf_port_range *x = get_ports(opt, a), *y = get_ports(opt, b);

	if (count_of(opt, a) != count_of(opt, b))
		return false;
	for (size_t i = 0; i < count_of(opt, a); i++)
		if (x[i].first != y[i].first || x[i].last != y[i].last)
			return false;
	return true;
}

const struct option_type type_ports = {
	.name = "list",
	.list = true,
	.may_unset = true,
	.parse = ports_parse,
	.format = ports_format,
	.allowed = ports_allowed,
	.equal = ports_equal,
	.clear = array_clear,
	.entries = count_of,
	.size = sizeof(struct conf_port_range *),
};

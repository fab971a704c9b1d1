/*
 * The option types whose value is many words: commands, addresses, ports.
 */
#include "config/option_type.h"

#include "base/address.h"
#include "base/words.h"
#include "base/units.h"
#include "config/health_probe.h"

/* --- command ------------------------------------------------------------------------- */

static int command_parse(const struct option_input *in, void *ret)
{
	const char *program = *in->word;

	if (*program == '\0')
		return strbuf_fail(in->why, -EINVAL, "the program's name is empty");
	if (words_name_len(program)) {
		strbuf_refuse(in->why, program,
			      "is not a program, and no shell is run: write environment = ");
		strbuf_add_escaped(in->why, program, strlen(program));
		return -EINVAL;
	}
	return strlist_copy(in->word, ret);
}

static void command_format(const struct option *opt, const void *value, struct strbuf *out)
{
	(void)opt;
	words_add_command(out, *(char **const *)value);
}

/* --- wrap ---------------------------------------------------------------------------- */

static_assert(CONF_SLOTS_MAX == 1024, "the text of type_wrap says 1023");

static int wrap_parse(const struct option_input *in, void *ret)
{
	struct conf_wrap *wrap = ret;
	int64_t slot;

	if (!in->number)
		return strbuf_fail(in->why, -EINVAL,
				   "the key has no number of a slot, as in wrap.0");
	if (units_parse_count(in->number, &slot) != 0 || slot >= CONF_SLOTS_MAX)
		return strbuf_refuse(in->why, in->number, "is not the number of a slot");
	wrap->slot = (unsigned)slot;
	return command_parse(in, &wrap->words);
}

static void wrap_format(const struct option *opt, const void *value, struct strbuf *out)
{
	command_format(opt, &((const struct conf_wrap *)value)->words, out);
}

static bool wrap_same_name(const void *a, const void *b)
{
	return ((const struct conf_wrap *)a)->slot == ((const struct conf_wrap *)b)->slot;
}

static void wrap_add_name(const void *value, struct strbuf *out)
{
	strbuf_addf(out, ".%u", ((const struct conf_wrap *)value)->slot);
}

/* --- listen -------------------------------------------------------------------------- */

static bool is_unix(const char *word)
{
	return *word == '@' || *word == '/' || !strncmp(word, "./", 2) || !strncmp(word, "../", 3);
}

static int unix_parse(const struct option_input *in, char *word, struct handoff_addr *ret)
{
	char *const words[] = { word, NULL };
	const struct option_input path_in = { in->opt, in->facts, NULL, words, in->why };
	_cleanup_free_ char *path = NULL;
	int r = *word == '@' ? 0 : type_path.parse(&path_in, &path);

	if (r < 0)
		return r;
	return address_of_unix(path ? path : word, ret, in->why);
}

/* What the app listens on. */
static int app_parse(const struct option_input *in, char *word, uint32_t *ret)
{
	struct handoff_addr addr = { 0 };
	int r = is_unix(word) ? unix_parse(in, word, &addr) : address_parse_port(word, &addr.port);

	if (r == 0)
		*ret = address_app(&addr);
	else if (!is_unix(word))
		return strbuf_refuse(in->why, word,
				     "is neither a port from 1 to 65535 nor the path of a Unix "
				     "socket");
	return r;
}

static int listen_parse(const struct option_input *in, void *ret)
{
	char *const *word = in->word;
	struct conf_listen *l = ret;
	bool udp = !strcmp(word[0], "udp") && word[1] && !is_unix(word[1]);
	int r;

	word += udp;
	r = is_unix(word[0]) ? unix_parse(in, word[0], &l->addr)
			     : address_parse(word[0], &l->addr, &l->port_only, in->why);

	if (r < 0)
		return r;
	/* As inetd's: programs that get the socket may know no other family. */
	if (udp && l->port_only)
		l->addr = (struct handoff_addr){ .family = 4, .port = l->addr.port };
	l->addr.flags = udp ? HANDOFF_UDP : 0;
	l->app = address_app(&l->addr);
	word++;
	if (udp && word[0])
		return strbuf_refuse(in->why, word[0],
				     "after an address of udp: its program gets the socket itself");
	if (word[0] && !strcmp(word[0], "for") && word[1]) {
		r = app_parse(in, word[1], &l->app);
		if (r < 0)
			return r;
		word += 2;
	}
	if (word[0] && !strcmp(word[0], "as") && word[1]) {
		if (!conf_name_ok(word[1], strlen(word[1])))
			return strbuf_refuse(in->why, word[1],
					     "is not a name: letters, digits, - and _, at most 32");
		strcpy(l->name, word[1]);
		word += 2;
	}
	if (word[0])
		return strbuf_refuse(in->why, word[0], "after the address (one address a line)");
	return 0;
}

static void listen_format(const struct option *opt, const void *value, struct strbuf *out)
{
	const struct conf_listen *l = value;

	(void)opt;
	if (l->port_only)
		strbuf_addf(out, "%s%u", l->addr.flags & HANDOFF_UDP ? "udp " : "", l->addr.port);
	else
		strbuf_add(out, address_text(&l->addr).text);
	if (l->app != address_app(&l->addr))
		strbuf_addf(out, " for %s", address_app_text(l->app).text);
	if (l->name[0])
		strbuf_addf(out, " as %s", l->name);
}

/* --- ports --------------------------------------------------------------------------- */

/* A number within the limits of @in->opt. */
static bool bound_parse(const struct option_input *in, const char *text, uint16_t *ret)
{
	int64_t n;

	if (units_parse_count(text, &n) != 0 || n < in->opt->min || n > in->opt->max)
		return false;
	*ret = (uint16_t)n;
	return true;
}

static int range_parse(const struct option_input *in, void *ret)
{
	const char *word = *in->word, *dash = strchr(word, '-');
	struct conf_port_range *range = ret;
	STRBUF(first, 8);

	strbuf_add_bytes(&first, word, dash ? (size_t)(dash - word) : strlen(word));
	if (first.cut || !bound_parse(in, first.text, &range->first) ||
	    !bound_parse(in, dash ? dash + 1 : first.text, &range->last))
		return strbuf_refuse(in->why, word,
				     "is not a %s from %lld to %lld, or a range of them",
				     in->opt->type->noun, (long long)in->opt->min,
				     (long long)in->opt->max);
	if (range->last < range->first)
		return strbuf_refuse(in->why, word, "ends before it begins");
	return 0;
}

static void range_format(const struct option *opt, const void *value, struct strbuf *out)
{
	const struct conf_port_range *range = value;

	(void)opt;
	strbuf_addf(out, "%u", range->first);
	if (range->last != range->first)
		strbuf_addf(out, "-%u", range->last);
}

/* --- check --------------------------------------------------------------------------- */

static int check_parse(const struct option_input *in, void *ret)
{
	struct health_probe probe;
	int r = health_parse(in->word, &probe, in->why);

	return r < 0 ? r : strlist_copy(in->word, ret);
}

/* --- the types ----------------------------------------------------------------------- */

/* A table is read in columns. */
/* clang-format off */
const struct option_type type_command = {
	.allowed = "a program and its arguments", .size = sizeof(char **), .owns = OWNS_WORDS,
	.command = true, .parse = command_parse, .format = command_format,
};
const struct option_type type_wrap = {
	.allowed = "a program and its arguments, for N from 0 to 1023",
	.size = sizeof(struct conf_wrap), .plain = sizeof(unsigned),
	.owns = OWNS_WORDS, .owned = offsetof(struct conf_wrap, words),
	.list = true, .one_entry = true, .command = true, .numbered = true,
	.parse = wrap_parse, .format = wrap_format,
	.same_name = wrap_same_name, .add_name = wrap_add_name,
};
const struct option_type type_listen = {
	.allowed = "[ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as NAME]; or udp [ADDRESS:]PORT", .size = sizeof(struct conf_listen),
	.plain = offsetof(struct conf_listen, name) + SERVICE_NAME_MAX + 1,
	.list = true, .one_entry = true, .parse = listen_parse, .format = listen_format,
};
const struct option_type type_ports = {
	.allowed = "PORT ..., FIRST-LAST ...", .noun = "port", .size = sizeof(struct conf_port_range),
	.plain = sizeof(struct conf_port_range), .list = true,
	.parse = range_parse, .format = range_format,
};
const struct option_type type_statuses = {
	.allowed = "STATUS ..., FIRST-LAST ...", .noun = "status", .size = sizeof(struct conf_port_range),
	.plain = sizeof(struct conf_port_range), .list = true,
	.parse = range_parse, .format = range_format,
};
const struct option_type type_check = {
	.allowed = "connect, GET PATH [HOST], [send BYTES] expect BYTES, command PROGRAM ...",
	.size = sizeof(char **), .owns = OWNS_WORDS, .may_unset = true,
	.command = true, .parse = check_parse, .format = command_format,
};
/* clang-format on */

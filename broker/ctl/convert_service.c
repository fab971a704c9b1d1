#include "convert_service.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#define FIREWALL                                                                                   \
	"the broker asks nobody where clients come from: write it as a rule of the firewall"
#define LOGGED	"the broker logs by its own rules: see log and log_level"
#define PRLIMIT "there is no such limit: put prlimit(1) or `sh -c 'ulimit ...'` before the program"

/* A table is read in columns. */
/* clang-format off */
#define READ(name) { .key = (name) }

const struct convert_row convert_rows[CONVERT_KEYS] = {
	READ("id"), READ("disable"), READ("enabled"), READ("disabled"), READ("type"), READ("flags"),
	READ("socket_type"), READ("protocol"), READ("port"), READ("bind"), READ("wait"), READ("instances"),
	READ("server"), READ("server_args"), READ("redirect"), READ("env"), READ("passenv"),

	{ "user", .option = "user" },
	{ "group", .option = "group" },
	{ "umask", .option = "umask" },
	{ "nice", .option = "nice" },
	{ "rlimit_as", .option = "limit_as" },
	{ "rlimit_files", .option = "limit_nofile" },
	{ "v6only", .option = "v6only" },
	{ "rcvbuf", .option = "so_rcvbuf" },
	{ "sndbuf", .option = "so_sndbuf" },

	{ "only_from", .remark = FIREWALL ", or let the program ask hosts.allow" },
	{ "no_access", .remark = FIREWALL ", or let the program ask hosts.deny" },
	{ "per_source", .remark = FIREWALL " (in nftables: ct count)" },
	{ "deny_time", .remark = FIREWALL ", as fail2ban does" },
	{ "access_times", .remark = "let cron run brokerctl start and brokerctl stop SERVICE" },
	{ "cps", .remark = "no rate stops a service here: more clients than processes allows wait" },
	{ "max_load", .remark = "no load stops a service here: limit how many run with processes" },
	{ "log_type", .remark = LOGGED },
	{ "log_on_success", .remark = LOGGED },
	{ "log_on_failure", .remark = LOGGED },
	{ "banner", .remark = "let a script print the file, then exec the program" },
	{ "banner_success", .remark = "let a script print the file, then exec the program" },
	{ "banner_fail", .remark = "no client is refused here: it waits" },
	{ "rlimit_cpu", .remark = PRLIMIT },
	{ "rlimit_data", .remark = PRLIMIT },
	{ "rlimit_rss", .remark = PRLIMIT },
	{ "rlimit_stack", .remark = PRLIMIT },
	{ "groups", .remark = "a user without group has all its groups, with group that one alone" },
	{ "libwrap", .remark = "the broker does not ask hosts.allow: tcpd(8) or the program may" },
	{ "mdns", .remark = "let avahi-daemon announce it: a file in /etc/avahi/services" },
	{ "rpc_version", .remark = "belongs to RPC" },
	{ "rpc_number", .remark = "belongs to RPC" },
};
/* clang-format on */

void convert_deinit(struct convert *c)
{
	buf_deinit(&c->out);
	buf_deinit(&c->errors);
	free(c->names);
}

/* --- words and remarks --------------------------------------------------------------------- */

void convert_say(struct convert *c, bool is_mistake, const char *fmt, ...)
{
	STRBUF(text, 2 * CONVERT_TEXT_MAX);
	STRBUF(line, 4 * CONVERT_TEXT_MAX);
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	strbuf_addf(&line, c->line ? "%s:%u: " : "%s: ", c->file, c->line);
	strbuf_add_escaped(&line, text.text, text.len);
	buf_addf(&c->out, "# %s\n", line.text);
	if (is_mistake)
		buf_addf(&c->errors, "%s\n", line.text);
}

bool convert_next_word(const char **at, char ret[CONVERT_TEXT_MAX])
{
	size_t n;

	*at += strspn(*at, " \t");
	n = strcspn(*at, " \t");
	memcpy(ret, *at, n);
	ret[n] = '\0';
	*at += n;
	return n > 0;
}

bool convert_has_word(const char *text, const char *wanted)
{
	char word[CONVERT_TEXT_MAX];

	while (convert_next_word(&text, word))
		if (!strcasecmp(word, wanted))
			return true;
	return false;
}

/* --- reading ------------------------------------------------------------------------------- */

void convert_begin(struct convert *c, const char *name)
{
	c->service = c->defaults;
	c->service.line = c->line;
	(void)strncpy(c->service.name, name, CONVERT_TEXT_MAX - 1);
}

/* Its place in convert_rows; CONVERT_KEYS: there is no such key. */
static size_t find_key(const char *key)
{
	for (size_t i = 0; convert_rows[i].key; i++)
		if (!strcmp(convert_rows[i].key, strcmp(key, "interface") ? key : "bind"))
			return i;
	return CONVERT_KEYS;
}

const char *convert_get(const struct convert_service *s, const char *key)
{
	size_t i = find_key(key);

	assert(i < CONVERT_KEYS);
	return s->of[i];
}

void convert_set(struct convert *c, struct convert_service *s, const char *key, const char *op,
		 const char *text)
{
	size_t i = find_key(key);
	const char *remark = i < CONVERT_KEYS ? convert_rows[i].remark : "not a key of xinetd";
	char word[CONVERT_TEXT_MAX], *value;
	STRBUF(made, CONVERT_TEXT_MAX);
	const char *old;

	if (remark) {
		convert_remark(c, "%s %s %s: %s", key, op, text, remark);
		return;
	}
	if (strlen(text) >= CONVERT_TEXT_MAX) {
		convert_fail(c, "%s is longer than %d bytes", key, CONVERT_TEXT_MAX - 1);
		return;
	}
	old = value = s->of[i];
	if (*op == '+')
		strbuf_addf(&made, "%s%s", value, *value ? " " : "");
	if (*op != '-')
		strbuf_add(&made, text);
	while (*op == '-' && convert_next_word(&old, word))
		if (!convert_has_word(text, word))
			strbuf_addf(&made, "%s%s", made.len ? " " : "", word);
	if (made.cut)
		convert_fail(c, "all words of %s are longer than %d bytes", key,
			     CONVERT_TEXT_MAX - 1);
	strcpy(value, made.text);
}

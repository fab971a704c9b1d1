#include "convert_service.h"

#include <stdio.h>
#include <strings.h>
#include "base/address.h"
#include "base/words.h"
#include "config/conf_read.h"

#define FIREWALL                                                                                   \
	"the broker asks nobody where clients come from: write it as a rule of the firewall"

/* A table is read in columns. */
/* clang-format off */
#define READ(name) { .keys = (name) }

static const struct {
	const char *keys;   /* without a value below: it is read by this file */
	const char *option; /* that has the same value */
	const char *remark; /* why there is none, and what to do instead */
} rows[CONVERT_KEYS] = {
	READ("id"), READ("disable"), READ("enabled"), READ("disabled"), READ("type"), READ("flags"),
	READ("socket_type"), READ("protocol"), READ("port"), READ("bind interface"), READ("wait"),
	READ("server"), READ("server_args"), READ("redirect"), READ("env"),

	{ "user", .option = "user" },
	{ "group", .option = "group" },
	{ "umask", .option = "umask" },
	{ "nice", .option = "nice" },
	{ "rlimit_as", .option = "limit_as" },
	{ "rlimit_files", .option = "limit_nofile" },
	{ "instances", .option = "processes" },
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
	{ "log_type log_on_success log_on_failure",
	  .remark = "the broker logs by its own rules: see log and log_level" },
	{ "banner banner_success", .remark = "let a script print the file, then exec the program" },
	{ "banner_fail", .remark = "no client is refused here: it waits" },
	{ "rlimit_cpu rlimit_data rlimit_rss rlimit_stack",
	  .remark = "there is no such limit: put prlimit(1) or `sh -c 'ulimit ...'` before the program" },
	{ "passenv", .remark = "write clear_environment = yes, and environment = NAME=value for each" },
	{ "groups", .remark = "a user without group has all its groups, with group that one alone" },
	{ "libwrap", .remark = "the broker does not ask hosts.allow: tcpd(8) or the program may" },
	{ "mdns", .remark = "let avahi-daemon announce it: a file in /etc/avahi/services" },
	{ "rpc_version rpc_number", .remark = "belongs to RPC" },
};
/* clang-format on */

/* --- words and remarks --------------------------------------------------------------------- */

void convert_say(struct convert *c, bool is_mistake, const char *fmt, ...)
{
	STRBUF(text, 2 * CONVERT_TEXT_MAX);
	STRBUF(line, 4 * CONVERT_TEXT_MAX);

	strbuf_add_arguments(&text, fmt);
	strbuf_add_escaped(&line, c->file, strlen(c->file));
	strbuf_addf(&line, c->line ? ":%u: " : ": ", c->line);
	strbuf_add_escaped(&line, text.text, text.len);
	strbuf_addf(&c->out, "# %s\n", line.text);
	if (is_mistake)
		strbuf_addf(&c->errors, "%s\n", line.text);
}

/* The next word of *@at, a value, into @ret; *@at moves behind it. False: there is none. */
static bool next_word(const char **at, char ret[CONVERT_TEXT_MAX])
{
	size_t n;

	*at += strspn(*at, " \t");
	n = strcspn(*at, " \t");
	memcpy(ret, *at, n);
	ret[n] = '\0';
	*at += n;
	return n > 0;
}

/* --- reading ------------------------------------------------------------------------------- */

void convert_begin(struct convert *c, const char *name)
{
	c->service = c->defaults;
	c->service.line = c->line;
	(void)strncpy(c->service.name, name, CONVERT_TEXT_MAX - 1);
}

/* Its place in rows; CONVERT_KEYS: there is no such key. */
static size_t find_key(const char *key)
{
	for (size_t i = 0; rows[i].keys; i++)
		if (words_have(rows[i].keys, key))
			return i;
	return CONVERT_KEYS;
}

static const char *get(const struct convert *c, const char *key)
{
	size_t i = find_key(key);

	assert(i < CONVERT_KEYS);
	return c->service.of[i];
}

void convert_set(struct convert *c, struct convert_service *s, const char *key, const char *op,
		 const char *text)
{
	size_t i = find_key(key);
	const char *remark = i < CONVERT_KEYS ? rows[i].remark : "not a key of xinetd";
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
	while (*op == '-' && next_word(&old, word))
		if (!words_have(text, word))
			strbuf_addf(&made, "%s%s", made.len ? " " : "", word);
	if (made.cut)
		convert_fail(c, "all words of %s are longer than %d bytes", key,
			     CONVERT_TEXT_MAX - 1);
	strcpy(value, made.text);
}

/* @before and @value, which is quoted, in a line. */
static void add_line(struct convert *c, const char *before, const char *value)
{
	strbuf_add(&c->lines, before);
	words_add_quoted(&c->lines, value);
	strbuf_add(&c->lines, "\n");
}

/* It is written in comments: that is why. */
static void refuse(struct convert *c, const char *fmt, ...) PRINTF(2, 3);
static void refuse(struct convert *c, const char *fmt, ...)
{
	strbuf_add(&c->why, c->why.len ? "; " : "");
	strbuf_add_arguments(&c->why, fmt);
}

/* --- where clients connect ----------------------------------------------------------------- */

/* The port of @name in /etc/services, 0: it has none. */
static uint16_t find_port(const char *services, const char *name, const char *protocol)
{
	for (const char *at = services; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		char official[64], kind[8], aliases[256] = "";
		uint16_t port;

		if (sscanf(at, "%63s %hu/%7s%*[ \t]%255[^\n#]", official, &port, kind, aliases) >=
			    3 &&
		    !strcmp(kind, protocol) &&
		    (!strcmp(official, name) || words_have(aliases, name)))
			return port;
	}
	return 0;
}

/* @family: "4", "6", or both. @host: "*" is every address. */
static void add_listen(struct convert *c, const char *family, const char *host, uint16_t port)
{
	STRBUF(address, 2 * CONVERT_TEXT_MAX);
	STRBUF(error, 512);
	struct handoff_addr addr;
	bool port_only;

	if (!strcmp(host, "*"))
		host = !strcmp(family, "4") ? "0.0.0.0" : *family ? "[::]" : "*";
	strbuf_addf(&address, strchr(host, ':') && *host != '[' ? "[%s]:%u" : "%s:%u", host, port);
	if (address_parse(address.text, &addr, &port_only, &error) < 0)
		refuse(c, "the broker looks up no names of hosts: write the address of %s", host);
	add_line(c, c->udp ? "listen = udp " : "listen = ",
		 address.text + (*address.text == '*' ? 2 : 0));
}

static void add_listens(struct convert *c)
{
	const char *protocol = get(c, "protocol"), *hosts = get(c, "bind");
	const char *name = *get(c, "port") ? get(c, "port") : c->service.name;
	const char *flags_set = get(c, "flags"), *kind = c->udp ? "udp" : "tcp";
	const char *family = words_have(flags_set, "IPv4")   ? "4"
			     : words_have(flags_set, "IPv6") ? "46"
							     : "";
	char host[CONVERT_TEXT_MAX];
	uint16_t port;

	if (*c->service.name == '/') {
		add_line(c, "listen = ", c->service.name);
		return;
	}
	if (*protocol && protocol[3])
		family = protocol + 3;
	if (address_parse_port(name, &port) < 0)
		port = find_port(c->services, name, kind);
	if (!port) {
		if (!c->why.len)
			convert_fail(c, "there is no service %s/%s in /etc/services", name, kind);
		refuse(c, "write its port");
		return;
	}
	if (!next_word(&hosts, host))
		strcpy(host, "*");
	do
		add_listen(c, family, host, port);
	while (next_word(&hosts, host));
	/* "6only" is inetutils'. */
	if (!strcmp(family, "6") || !strcmp(family, "6only"))
		strbuf_add(&c->lines, "v6only = yes\n");
}

/* --- what runs ----------------------------------------------------------------------------- */

/* The program, and its arguments without the first, which is its name (argv[0]). */
static void add_program(struct convert *c)
{
	const char *server = get(c, "server"), *args = get(c, "server_args");
	char name[CONVERT_TEXT_MAX], word[CONVERT_TEXT_MAX];

	if (!*server) {
		if (!c->why.len)
			convert_fail(c, "service %s has no server", c->service.name);
		refuse(c, "write command = PROGRAM ARGUMENTS");
		return;
	}
	if (!words_have(get(c, "flags"), "NAMEINARGS") || !next_word(&args, name))
		strcpy(name, server);
	strbuf_add(&c->lines, "command = ");
	if (!strcmp(words_base(server), "tcpd") && strcmp(name, server) != 0) {
		convert_remark(c,
			       "tcpd asked hosts.allow, and is left out: write rules of the "
			       "firewall, or command = bash -c 'exec -a %s tcpd ...'",
			       name);
		strbuf_add(&c->lines, *name == '/' ? "" : "/usr/sbin/");
		server = name;
	} else if (strcmp(words_base(server), words_base(name)) != 0) {
		convert_remark(c,
			       "argv[0] was %s, and is %s now: if the program looks at it, write "
			       "command = bash -c 'exec -a %s %s ...'",
			       name, server, name, server);
	}
	words_add_quoted(&c->lines, server);
	while (next_word(&args, word)) {
		strbuf_add(&c->lines, " ");
		words_add_quoted(&c->lines, word);
	}
	strbuf_add(&c->lines, "\n");
}

static void add_command(struct convert *c)
{
	const char *to = get(c, "redirect");
	char host[CONVERT_TEXT_MAX], port[CONVERT_TEXT_MAX];
	STRBUF(address, 3 * CONVERT_TEXT_MAX);

	if (words_have(get(c, "type"), "INTERNAL")) {
		refuse(c, "internal: the broker itself answers nobody; a program can (for echo: "
			  "command = cat)");
	} else if (next_word(&to, host) && next_word(&to, port)) {
		strbuf_addf(&address, strchr(host, ':') ? "TCP:[%s]:%s" : "TCP:%s:%s", host, port);
		add_line(c, "command = socat STDIO ", address.text);
	} else {
		add_program(c);
	}
}

/* --- the rest ------------------------------------------------------------------------------ */

static void add_options(struct convert *c)
{
	static const char *const lost[] = { "INTERCEPT", "IDONLY", "LABELED" };
	const char *env = get(c, "env"), *flags = get(c, "flags");
	char word[CONVERT_TEXT_MAX];

	for (size_t i = 0; i < CONVERT_KEYS; i++) {
		const char *option = rows[i].option, *value = c->service.of[i];
		bool unlimited = !strcmp(value, "UNLIMITED");

		/* With wait there is one process. */
		if (!option || !*value || (!strcmp(option, "processes") && (c->wait || unlimited)))
			continue;
		strbuf_add(&c->lines, option);
		add_line(c, " = ", unlimited ? "unlimited" : value);
	}
	while (next_word(&env, word))
		add_line(c, "environment = ", word);
	strbuf_add(&c->lines, words_have(flags, "NODELAY") ? "tcp_nodelay = yes\n" : "");
	strbuf_add(&c->lines, words_have(flags, "KEEPALIVE") ? "so_keepalive = yes\n" : "");
	for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
		if (words_have(flags, lost[i]))
			convert_remark(c, "flags = %s: has no counterpart", lost[i]);
}

/* Whether it can have a listener: what it is, and not how it is set. */
static bool judge_kind(struct convert *c)
{
	const char *type = get(c, "type"), *socket = get(c, "socket_type");
	const char *protocol = get(c, "protocol");
	bool known = !*socket || !strcmp(socket, "stream") || c->udp;

	if (words_have(type, "RPC"))
		refuse(c, "RPC: the broker does not register with rpcbind; let it run by itself");
	else if (strstr(type, "TCPMUX"))
		refuse(c, "tcpmux: give it a port of its own");
	else if (words_have(get(c, "flags"), "SENSOR"))
		refuse(c, "SENSOR: let fail2ban shut out clients that scan ports");
	else if (!known || (*protocol && strncmp(protocol, c->udp ? "udp" : "tcp", 3) != 0 &&
			    (c->udp || *c->service.name != '/')))
		refuse(c, "%s %s: mode = inetd serves TCP, UDP and stream sockets at a path alone",
		       socket, protocol);
	else
		return true;
	return false;
}

static void judge_use(struct convert *c)
{
	const char *id = *get(c, "id") ? get(c, "id") : c->service.name;
	const char *enabled = get(c, "enabled");

	if (!strcasecmp(get(c, "disable"), "yes") || words_have(get(c, "flags"), "DISABLE") ||
	    words_have(get(c, "disabled"), id) || (*enabled && !words_have(enabled, id)))
		refuse(c, "disabled");
}

/* --- the section --------------------------------------------------------------------------- */

/* With a name that no section has yet. */
static void add_header(const struct convert *c, struct strbuf *header)
{
	const char *id = get(c, "id"), *name = c->service.name;
	STRBUF(text, SERVICE_NAME_MAX - 4);
	unsigned n = 0;

	name = *name == '/' ? words_base(name) : name; /* a Unix socket */
	strbuf_add(&text, *id ? id : name);
	for (char *at = text.text; *at; at++)
		*at = conf_name_ok(at, 1) ? *at : '-';
	do {
		n++;
		strbuf_init(header, header->text, header->size);
		strbuf_addf(header, n > 1 ? "[service:%s-%u]" : "[service:%s]", text.text, n);
	} while (c->out.len && memmem(c->out.text, c->out.len, header->text, header->len));
}

static void write_section(struct convert *c)
{
	struct strbuf *out = &c->out;
	const char *mark = c->why.len ? "#" : "";
	STRBUF(header, 64);
	size_t n;

	add_header(c, &header);
	if (c->why.len)
		convert_remark(c, "%s", c->why.text);
	strbuf_addf(out, "%s%s\n%smode = inetd\n", mark, header.text, mark);
	for (const char *at = c->lines.text; at && *at; at += n) {
		n = strcspn(at, "\n") + 1;
		strbuf_addf(out, "%s%.*s", mark, (int)n, at);
	}
	strbuf_add(out, "\n");
}

void convert_end(struct convert *c)
{
	const char *wait = get(c, "wait");
	unsigned line = c->line;

	c->line = c->service.line;
	c->why = STRBUF_GROWS(4 * CONVERT_TEXT_MAX);
	c->lines = STRBUF_GROWS(32 * CONVERT_TEXT_MAX);
	c->udp = !strcmp(get(c, "socket_type"), "dgram");
	c->wait = c->udp || !strcmp(wait, "yes");
	if (c->udp && strcmp(wait, "yes") != 0)
		convert_remark(c, "dgram without wait: one process at a time gets all datagrams");
	judge_use(c);
	strbuf_add(&c->lines, c->wait ? "wait = yes\n" : "");
	strbuf_add(&c->lines, c->wait && !c->udp ? "workers = 1\n" : "");
	if (judge_kind(c))
		add_listens(c);
	add_command(c);
	strbuf_add(&c->lines, c->wait ? "" : "stderr = connection\n");
	add_options(c);
	write_section(c);
	strbuf_deinit(&c->why);
	strbuf_deinit(&c->lines);
	c->line = line;
}

#include "convert_section.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/address.h"
#include "base/words.h"
#include "config/conf_read.h"

/* Flags, and what is written for each. Those that are not here become a comment. */
static const char *const flags[][2] = {
	{ "NODELAY", "tcp_nodelay = yes\n" },
	{ "KEEPALIVE", "so_keepalive = yes\n" },
	{ "REUSE", "" }, /* the broker does it */
	{ "NORETRY", "" },
	{ "NOLIBWRAP", "" },
	{ "NAMEINARGS", "" }, /* these are read elsewhere */
	{ "SENSOR", "" },
	{ "DISABLE", "" },
	{ "IPv4", "" },
	{ "IPv6", "" },
};

/* A section while it is made. */
struct section {
	struct convert *c;
	const struct convert_service *s;
	struct strbuf *why;   /* it is written in comments; empty: it is not */
	struct strbuf *lines; /* of the section, below mode */
	bool udp, wait;
};

/* It is written in comments: that is why. */
static void refuse(struct section *x, const char *fmt, ...) PRINTF(2, 3);
static void refuse(struct section *x, const char *fmt, ...)
{
	va_list ap;

	strbuf_add(x->why, x->why->len ? "; " : "");
	va_start(ap, fmt);
	strbuf_vaddf(x->why, fmt, ap);
	va_end(ap);
}

/* --- where clients connect ----------------------------------------------------------------- */

/* The port of @name in /etc/services, 0: it has none. */
static uint16_t find_port(const char *services, const char *name, const char *protocol)
{
	char official[CONVERT_TEXT_MAX], number[CONVERT_TEXT_MAX];
	uint16_t port;

	for (const char *at = services; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		STRBUF(line, CONVERT_TEXT_MAX);
		const char *word, *slash;

		strbuf_add_bytes(&line, at, strcspn(at, "#\n"));
		word = line.text;
		if (!convert_next_word(&word, official) || !convert_next_word(&word, number))
			continue;
		slash = strchr(number, '/');
		if (!slash || strcmp(slash + 1, protocol) != 0 ||
		    (strcmp(official, name) != 0 && !convert_has_word(word, name)))
			continue;
		number[slash - number] = '\0';
		if (address_parse_port(number, &port) == 0)
			return port;
	}
	return 0;
}

/* @family: "4", "6", or both. @host: NULL: every address. */
static void add_listen(struct section *x, const char *family, const char *host, uint16_t port)
{
	STRBUF(address, 2 * CONVERT_TEXT_MAX);
	STRBUF(error, 512);
	struct handoff_addr addr;
	bool port_only;

	if (!host || !strcmp(host, "*"))
		host = !strcmp(family, "4") ? "0.0.0.0" : *family ? "[::]" : "*";
	strbuf_addf(&address, strchr(host, ':') && *host != '[' ? "[%s]:%u" : "%s:%u", host, port);
	if (address_parse(address.text, &addr, &port_only, &error) < 0)
		refuse(x, "the broker looks up no names of hosts: write the address of %s", host);
	strbuf_addf(x->lines, "listen = %s%s\n", x->udp ? "udp " : "",
		    !strncmp(address.text, "*:", 2) ? address.text + 2 : address.text);
}

static void add_listens(struct section *x)
{
	const char *protocol = convert_get(x->s, "protocol"), *hosts = convert_get(x->s, "bind");
	const char *name = *convert_get(x->s, "port") ? convert_get(x->s, "port") : x->s->name;
	const char *flags_set = convert_get(x->s, "flags"), *kind = x->udp ? "udp" : "tcp";
	const char *family = convert_has_word(flags_set, "IPv4")   ? "4"
			     : convert_has_word(flags_set, "IPv6") ? "46"
								   : "";
	char host[CONVERT_TEXT_MAX];
	uint16_t port;

	if (*protocol && protocol[3])
		family = protocol + 3;
	if (address_parse_port(name, &port) < 0)
		port = find_port(x->c->services, name, kind);
	if (!port) {
		if (!x->why->len)
			convert_fail(x->c, "there is no service %s/%s in /etc/services", name,
				     kind);
		refuse(x, "write its port");
		return;
	}
	if (!convert_next_word(&hosts, host))
		add_listen(x, family, NULL, port);
	else
		do
			add_listen(x, family, host, port);
		while (convert_next_word(&hosts, host));
	/* "6only" is inetutils'. */
	if (!strcmp(family, "6") || !strcmp(family, "6only"))
		strbuf_add(x->lines, "v6only = yes\n");
}

/* --- what runs ----------------------------------------------------------------------------- */

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The program, and its arguments without the first, which is its name (argv[0]). */
static void add_program(struct section *x)
{
	const char *server = convert_get(x->s, "server"), *args = convert_get(x->s, "server_args");
	char name[CONVERT_TEXT_MAX], word[CONVERT_TEXT_MAX];

	if (!*server) {
		if (!x->why->len)
			convert_fail(x->c, "service %s has no server", x->s->name);
		refuse(x, "write command = PROGRAM ARGUMENTS");
		return;
	}
	if (!convert_has_word(convert_get(x->s, "flags"), "NAMEINARGS") ||
	    !convert_next_word(&args, name))
		strcpy(name, server);
	strbuf_add(x->lines, "command = ");
	if (!strcmp(base_of(server), "tcpd") && strcmp(name, server) != 0) {
		convert_remark(x->c,
			       "tcpd asked hosts.allow, and is left out: write rules of the "
			       "firewall, or command = bash -c 'exec -a %s tcpd ...'",
			       name);
		strbuf_add(x->lines, *name == '/' ? "" : "/usr/sbin/");
		server = name;
	} else if (strcmp(base_of(server), base_of(name)) != 0) {
		convert_remark(x->c,
			       "argv[0] was %s, and is %s now: if the program looks at it, write "
			       "command = bash -c 'exec -a %s %s ...'",
			       name, server, name, server);
	}
	words_add_quoted(x->lines, server);
	while (convert_next_word(&args, word)) {
		strbuf_add(x->lines, " ");
		words_add_quoted(x->lines, word);
	}
	strbuf_add(x->lines, "\n");
}

static void add_command(struct section *x)
{
	const char *type = convert_get(x->s, "type"), *to = convert_get(x->s, "redirect");
	char host[CONVERT_TEXT_MAX], port[CONVERT_TEXT_MAX];

	if (convert_has_word(type, "INTERNAL"))
		refuse(x, "internal: the broker itself answers nobody; a program can (for echo: "
			  "command = cat)");
	else if (convert_next_word(&to, host) && convert_next_word(&to, port))
		strbuf_addf(x->lines,
			    strchr(host, ':') ? "command = socat STDIO TCP:[%s]:%s\n"
					      : "command = socat STDIO TCP:%s:%s\n",
			    host, port);
	else
		add_program(x);
}

/* --- the rest ------------------------------------------------------------------------------ */

static void add_options(struct section *x)
{
	const char *instances = convert_get(x->s, "instances"),
		   *passed = convert_get(x->s, "passenv");
	const char *env = convert_get(x->s, "env");
	char word[CONVERT_TEXT_MAX];

	for (size_t i = 0; i < CONVERT_KEYS; i++)
		if (convert_rows[i].option && *x->s->of[i]) {
			strbuf_addf(x->lines, "%s = ", convert_rows[i].option);
			words_add_quoted(x->lines, !strcmp(x->s->of[i], "UNLIMITED") ? "unlimited"
										     : x->s->of[i]);
			strbuf_add(x->lines, "\n");
		}
	if (!strcasecmp(instances, "UNLIMITED"))
		convert_remark(x->c,
			       "instances = UNLIMITED: there is always a limit, see processes");
	else if (*instances && !x->wait)
		strbuf_addf(x->lines, "processes = %s\n", instances);
	while (convert_next_word(&env, word)) {
		strbuf_add(x->lines, "environment = ");
		words_add_quoted(x->lines, word);
		strbuf_add(x->lines, "\n");
	}
	if (*passed) {
		convert_remark(x->c, "passenv = %s: write environment = NAME=value for each",
			       passed);
		strbuf_add(x->lines, "clear_environment = yes\n");
	}
}

static void add_flags(struct section *x)
{
	const char *at = convert_get(x->s, "flags");
	char word[CONVERT_TEXT_MAX];

	while (convert_next_word(&at, word)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(flags) && strcasecmp(flags[i][0], word) != 0)
			i++;
		if (i < ARRAY_SIZE(flags))
			strbuf_add(x->lines, flags[i][1]);
		else
			convert_remark(x->c, "flags = %s: has no counterpart", word);
	}
}

/* Whether it can have a listener: what it is, and not how it is set. */
static bool judge_kind(struct section *x)
{
	const char *type = convert_get(x->s, "type"), *socket = convert_get(x->s, "socket_type");
	const char *protocol = convert_get(x->s, "protocol");
	bool known = !*socket || !strcmp(socket, "stream") || x->udp;

	if (convert_has_word(type, "RPC"))
		refuse(x, "RPC: the broker does not register with rpcbind; let it run by itself");
	else if (convert_has_word(type, "TCPMUX") || convert_has_word(type, "TCPMUXPLUS"))
		refuse(x, "tcpmux: give it a port of its own");
	else if (convert_has_word(convert_get(x->s, "flags"), "SENSOR"))
		refuse(x, "SENSOR: let fail2ban shut out clients that scan ports");
	else if (!known || (*protocol && strncmp(protocol, x->udp ? "udp" : "tcp", 3) != 0))
		refuse(x, "%s %s: mode = inetd serves TCP and UDP alone", socket, protocol);
	else
		return true;
	return false;
}

static void judge_use(struct section *x)
{
	const struct convert_service *s = x->s;
	const char *id = *convert_get(s, "id") ? convert_get(s, "id") : s->name;
	const char *enabled = convert_get(s, "enabled");

	if (!strcasecmp(convert_get(s, "disable"), "yes") ||
	    convert_has_word(convert_get(s, "disabled"), id) ||
	    (*enabled && !convert_has_word(enabled, id)))
		refuse(x, "disabled");
}

/* --- the section --------------------------------------------------------------------------- */

/* A name that no section has yet. */
static const char *name_section(struct convert *c)
{
	const char *from =
		*convert_get(&c->service, "id") ? convert_get(&c->service, "id") : c->service.name;
	char *name;

	if (!array_grow(c->names, c->n_names))
		return NULL;
	name = c->names[c->n_names];
	for (unsigned n = 1, taken = 1; taken; n++) {
		STRBUF(text, SERVICE_NAME_MAX - 4);

		strbuf_add(&text, from);
		for (char *at = text.text; *at; at++)
			*at = conf_name_ok(at, 1) ? *at : '-';
		(void)snprintf(name, sizeof(*c->names), n > 1 ? "%s-%u" : "%s", text.text, n);
		taken = 0;
		for (size_t i = 0; i < c->n_names; i++)
			taken |= !strcmp(c->names[i], name);
	}
	c->n_names++;
	return name;
}

static void write_section(struct section *x, const char *name)
{
	struct buf *out = &x->c->out;
	const char *mark = x->why->len ? "#" : "";
	size_t n;

	if (x->why->len)
		convert_remark(x->c, "%s", x->why->text);
	buf_addf(out, "%s[service:%s]\n%smode = inetd\n", mark, name, mark);
	for (const char *at = x->lines->text; *at; at += n) {
		n = strcspn(at, "\n") + 1;
		buf_addf(out, "%s%.*s", mark, (int)n, at);
	}
	buf_add_str(out, "\n");
}

void convert_section(struct convert *c)
{
	STRBUF(why, 4 * CONVERT_TEXT_MAX);
	STRBUF(lines, 32 * CONVERT_TEXT_MAX);
	struct section x = { .c = c, .s = &c->service, .why = &why, .lines = &lines };
	const char *type = convert_get(x.s, "socket_type"), *name = name_section(c);
	unsigned line = c->line;

	c->line = x.s->line;
	x.udp = !strcmp(type, "dgram");
	x.wait = x.udp || !strcmp(convert_get(x.s, "wait"), "yes");
	if (x.udp && strcmp(convert_get(x.s, "wait"), "yes") != 0)
		convert_remark(c, "dgram without wait: one process at a time gets all datagrams");
	judge_use(&x);
	strbuf_add(&lines, x.wait ? "wait = yes\n" : "");
	strbuf_add(&lines, x.wait && !x.udp ? "workers = 1\n" : "");
	if (judge_kind(&x))
		add_listens(&x);
	add_command(&x);
	strbuf_add(&lines, x.wait ? "" : "stderr = connection\n");
	add_options(&x);
	add_flags(&x);
	if (name)
		write_section(&x, name);
	else
		c->out.failed = true;
	c->line = line;
}

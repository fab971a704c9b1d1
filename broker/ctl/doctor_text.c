#include "doctor_text.h"

#include <ctype.h>
#include "base/words.h"
#include "config/conf_read.h"
#include "ctl/text.h"

#define SCRIPTS	     8
#define WIDTH	     96
#define INDENT	     2
#define TEXT_AT	     15 /* behind the labels */
#define NOTE_SIZE    640
#define SECTION_SIZE (4 * WORDS_BYTES_MAX) /* a command that a file can hold, and the rest */

/* --- the launcher's report --------------------------------------------------------------- */

const char *doctor_next(const char *strings, const char *end, const char *at)
{
	const char *next = at ? at + strlen(at) + 1 : strings;

	return next < end ? next : NULL;
}

const char *doctor_value(const char *strings, const char *end, const char *key)
{
	size_t n = strlen(key);

	for (const char *s = NULL; (s = doctor_next(strings, end, s));)
		if (!strncmp(s, key, n) && s[n] == '=')
			return s + n + 1;
	return NULL;
}

static void add_program(const char *report, const char *end, struct strbuf *out)
{
	static const char *const keys[] = { "binary",  "class",	      "machine",
					    "linkage", "interpreter", "libc" };
	const char *go = doctor_value(report, end, "go"), *script = report;

	json_object(out, "program");
	json_str(out, "path", doctor_value(report, end, "path"));
	json_array(out, "scripts");
	for (int i = 0; i < SCRIPTS && (script = doctor_value(script, end, "script")); i++)
		json_str(out, NULL, script);
	json_close_array(out);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_str(out, keys[i], doctor_value(report, end, keys[i]));
	json_str(out, "sanitizer", doctor_value(report, end, "first"));
	json_bool(out, "go", go && !strcmp(go, "yes"));
	json_str(out, "privilege", doctor_value(report, end, "privilege"));
	json_bool(out, "io_uring", doctor_value(report, end, "io_uring"));
	json_bool(out, "never_listens", doctor_value(report, end, "never_listens"));
	json_close(out);
}

bool doctor_is_for_inetd(const char *const *command)
{
	if (!*command)
		return false;
	for (const char *const *word = command + 1; *word; word++)
		if (**word == '-' && strstr(*word, "inetd"))
			return true;
	return !strncmp(words_base(*command), "in.", 3);
}

/* Its first argument is the program that people mean. */
static bool is_interpreter(const char *base)
{
	size_t n = strlen(base);

	/* python3.11 */
	while (n && strchr("0123456789.", base[n - 1]))
		n--;
	return words_have_bytes("node python perl ruby php sh bash dash npm npx deno bun", base, n);
}

bool doctor_begin_facts(char *report, struct doctor_facts *ret)
{
	const char *end = report + strlen(report), *verdict, *backend;
	struct strbuf *out = &ret->json;
	bool served;

	for (char *c = report; c < end; c++)
		*c = *c == '\n' ? '\0' : *c;
	verdict = doctor_value(report, end, "verdict");
	if (!verdict)
		return false;
	ret->can_be_inetd = doctor_value(report, end, "inetd");
	ret->only_reads = ret->can_be_inetd && !ret->is_process && *ret->command &&
			  !is_interpreter(words_base(*ret->command)) &&
			  doctor_value(report, end, "never_listens") &&
			  doctor_value(report, end, "never_executes");
	served = ret->is_inetd ? ret->can_be_inetd : !strcmp(verdict, "yes");
	ret->is_missing = !strcmp(verdict, "missing");
	json_object(out, NULL);
	json_bool(out, "served", served);
	backend = served ? doctor_value(report, end, "backend") : NULL;
	/* What is executed for each connection is not trapped. */
	json_str(out, "backend",
		 backend && ret->is_inetd && !strcmp(backend, "trap") ? NULL : backend);
	json_str(out, "untraced", doctor_value(report, end, "untraced"));
	json_str(out, "mode",
		 !served			    ? NULL
		 : ret->is_inetd || ret->only_reads ? "inetd"
						    : "listen");
	json_str(out, "reason", served ? NULL : doctor_value(report, end, "reason"));
	add_program(report, end, out);
	return true;
}

/* --- notes ----------------------------------------------------------------------------- */

/* The facts, read, and where the answer goes. */
struct answer {
	const struct doctor_facts *facts;
	const struct json_value *all, *program, *process; /* NULL: it is about a command */
	struct strbuf *out;
	bool json;
	unsigned n_notes;
};

/* Adds @text, wrapped, from @column on, and @mark before it. */
static void add_marked(struct strbuf *out, const char *mark, size_t column, const char *text)
{
	size_t at = out->len;

	text_wrap(&(struct screen){ .columns = WIDTH, .out = out, .left = SIZE_MAX },
		  (unsigned)column, true, text);
	/* In the blanks that the first line begins with. */
	if (!out->cut && out->len > at)
		memcpy(out->text + at + INDENT, mark, strlen(mark));
}

/* Adds a note, unless @words come to nothing. */
static void note(struct answer *a, const struct json_value *object, const char *words)
{
	STRBUF(text, NOTE_SIZE);

	(void)text_expand(&text, words, object);
	if (!text.len || a->n_notes == DOCTOR_NOTES)
		return;
	if (a->json) {
		json_str(a->out, NULL, text.text);
	} else {
		strbuf_add(a->out, a->n_notes ? "" : "\n");
		add_marked(a->out, "-", INDENT + 2, text.text);
	}
	a->n_notes++;
}

/* Default ports of debuggers: node --inspect; jdwp has none, but everybody uses this one. */
static bool is_debug_port(const struct json_value *listener)
{
	const char *address = json_doc_text(listener, "address");
	int64_t port = json_doc_number(listener, "port");

	return (port == 9229 || port == 5005) &&
	       (!strncmp(address, "127.", 4) || !strncmp(address, "[::1]", 5));
}

static void judge_listener(struct answer *a, const struct json_value *l)
{
	if (is_debug_port(l))
		note(a, l,
		     "$address looks like its debugger's port: private_ports leaves it to the app, "
		     "each worker then needs another one");
	else if (json_doc_number(l, "sockets") > 1)
		note(a, l,
		     "$address is opened $sockets times (SO_REUSEPORT): its own workers share the "
		     "port. Let it run one of them, and the broker run as many");
	else if (json_doc_number(l, "holders") > 1)
		note(a, l,
		     "$holders processes share $address: it forks workers of its own. That works "
		     "behind the broker too; one of them for each worker of the broker lets a "
		     "drain finish sooner");
}

static void judge_process(struct answer *a, const struct json_value *p)
{
	const struct json_value *l = json_doc_first(json_doc_member(p, "listens"));
	int64_t unreadable = json_doc_number(p, "unreadable");

	note(a, p,
	     json_doc_truth(p, "library")
		     ? "{it is $worker of service $service: already a worker of a broker}"
		     : "{it is $worker of service $service: already a worker of a broker; but the "
		       "library is not loaded, so it uses its own sockets}");
	note(a, p,
	     "{it has an io_uring open: accepting through it cannot be brokered. For node (libuv) "
	     "UV_USE_IO_URING=0 switches it off$io_uring}");
	note(a, p,
	     "{it is a worker of node's cluster module: start the app without it; the broker's "
	     "workers take its place$node_cluster}");
	note(a, p,
	     "{PM2 runs it, and would start it again: `pm2 delete` it before the broker runs it, "
	     "in fork mode of one process$pm2}");
	note(a, p,
	     "{it was given its sockets by socket activation (LISTEN_FDS): a worker must call "
	     "listen() itself, or be told its port$listen_fds}");
	note(a, p,
	     "{it is in another network namespace (a container): what it listens on cannot be seen "
	     "from here$other_network}");
	if (!l && !json_doc_first(json_doc_member(p, "unix")) &&
	    !json_doc_truth(p, "other_network") && !json_doc_member(p, "worker") &&
	    !a->facts->is_inetd)
		note(a, p,
		     unreadable > 0 ? "it listens on no TCP port as far as can be seen"
				    : "it listens on no TCP port");
	for (; l; l = json_doc_next(l))
		judge_listener(a, l);
	note(a, p,
	     "{it is in another mount namespace (a container): paths are as it sees "
	     "them$other_root}");
	note(a, p,
	     unreadable == 1
		     ? "1 process of it cannot be read by this user: ask as root to see all"
		     : "{$unreadable processes of it cannot be read by this user: ask as root to "
		       "see all}");
}

/* What to know before it is put behind the broker, the most important first. */
static void add_notes(struct answer *a)
{
	const struct json_value *p = a->program;

	if (a->facts->is_inetd)
		note(a, a->all,
		     "by its words it is for inetd, with a connection as its standard input: `mode "
		     "= inetd` runs one for each; write its port as listen = PORT");
	if (json_doc_truth(a->all, "served") && !json_doc_member(a->all, "backend"))
		note(a, a->all,
		     "no library can be loaded into it, so it is executed for each connection "
		     "(park = exec)");
	if (!json_doc_truth(a->all, "served") && a->facts->can_be_inetd && !a->process)
		note(a, a->all,
		     "if it talks to its standard input and ends, `mode = inetd` serves it all the "
		     "same");
	if (a->process)
		judge_process(a, a->process);
	else if (a->facts->only_reads)
		note(a, p,
		     "it calls neither listen() nor another program, so it can only serve its "
		     "standard input; write its port as listen = PORT");
	else if (!a->facts->is_inetd && json_doc_truth(p, "never_listens") && *a->facts->command &&
		 !is_interpreter(words_base(*a->facts->command)))
		note(a, p,
		     "it does not call listen(), nor does a library that it is linked to: if it "
		     "talks to its standard input and ends, write `mode = inetd` and its port as "
		     "listen = PORT; if it starts a server, ask about that one");
	note(a, p,
	     "{it is built with a sanitizer ($sanitizer), which is preloaded before the library of "
	     "the shim: nothing is to be done}");
	note(a, p,
	     "{it is linked to liburing: if it accepts through io_uring, that must be switched "
	     "off; accepting that way cannot be brokered$io_uring}");
	if (!strcmp(json_doc_text(a->all, "backend"), "trap"))
		note(a, p,
		     "it makes its system calls itself{, being written in Go$go}, so that no "
		     "library "
		     "sees them: they are trapped in it (backend = trap)");
	note(a, a->all,
	     "{nobody may trace it ($untraced), so worker-shim loads it by itself: "
	     "/proc/self/exe is worker-shim then, and docs/apps.md says what else is different}");
	/* The first script is the path. */
	if (json_doc_first(json_doc_member(p, "scripts")) && json_doc_truth(a->all, "served"))
		note(a, p,
		     "$path is a script: what was looked at is its interpreter $binary. What the "
		     "script starts inherits the preparation");
}

/* --- the section ----------------------------------------------------------------------- */

/* `node /srv/app.js` becomes "app", in.fingerd "fingerd". If nothing fits: "app". */
static void add_name(const char *const *command, struct strbuf *out)
{
	const char *base = words_base(command[0]);
	size_t n;

	if (is_interpreter(base) && command[1] && command[1][0] != '-')
		base = words_base(command[1]);
	base += strncmp(base, "in.", 3) ? 0 : 3;
	n = strcspn(base, ".");
	if (conf_name_ok(base, n) && !isdigit((unsigned char)*base))
		strbuf_add_bytes(out, base, n);
	else
		strbuf_add(out, "app");
}

/* The number of the process in the name of a socket: each worker has its own. */
static bool has_own_number(const struct json_value *socket)
{
	STRBUF(pid, 16);

	strbuf_addf(&pid, "%lld", (long long)json_doc_number(socket, "pid"));
	return strstr(json_doc_text(socket, "path"), pid.text);
}

/* Nothing if it cannot be served, or already is. */
static void add_section(const struct answer *a, struct strbuf *out)
{
	const char *const *command = a->facts->command;
	const struct json_value *p = a->process, *l = json_doc_first(json_doc_member(p, "listens"));
	const char *directory = a->facts->directory;

	if (!json_doc_truth(a->all, "served") || json_doc_member(p, "worker") || !*command)
		return;
	strbuf_add(out, "[service:");
	add_name(command, out);
	strbuf_add(out, "]\ncommand = ");
	words_add_command(out, (char *const *)(uintptr_t)command);
	if (*directory && strcmp(directory, "/") != 0) {
		strbuf_add(out, "\ndirectory = ");
		words_add_quoted(out, directory);
	}
	if (a->facts->is_inetd || a->facts->only_reads)
		strbuf_add(out, "\nmode = inetd\nlisten = PORT");
	/* A broker of the same user starts its workers as that user anyway. */
	if (json_doc_number(p, "uid") != a->facts->own_uid)
		(void)text_expand(out, "{\nuser = $user}", p);
	if (json_doc_truth(p, "io_uring") && !strcmp(words_base(json_doc_text(p, "exe")), "node"))
		strbuf_add(out, "\nenvironment = UV_USE_IO_URING=0");
	for (; l; l = json_doc_next(l))
		(void)text_expand(out,
				  is_debug_port(l) ? "\nprivate_ports = $port"
						   : "\nlisten = $address for $port",
				  l);
	for (l = json_doc_first(json_doc_member(p, "unix")); l; l = json_doc_next(l))
		if (!has_own_number(l))
			(void)text_expand(out, "\nlisten = $path", l);
	strbuf_add(out, "\n");
}

/* --- the answer ------------------------------------------------------------------------ */

static void print_title(const struct answer *a)
{
	const char *const name[] = { json_doc_text(a->process, "name"), NULL };
	const char *const *word = *a->facts->command ? a->facts->command : name;
	STRBUF(text, 400);

	for (; *word; word++) {
		strbuf_add(&text, text.len ? " " : "");
		strbuf_add_escaped(&text, *word, strlen(*word));
	}
	strbuf_addf(a->out, "%s%s\n", text.text, text.cut ? "..." : "");
}

/* Nothing, if @words come to nothing. */
static void add_line(struct answer *a, const char *label, const char *words,
		     const struct json_value *object)
{
	STRBUF(text, 3 * PATH_MAX);

	(void)text_expand(&text, words, object);
	add_marked(a->out, label, TEXT_AT, text.text);
}

static void print_text(struct answer *a, const char *section)
{
	const struct json_value *program = a->program, *process = a->process;
	const struct json_value *script = json_doc_first(json_doc_member(program, "scripts"));
	const struct json_value *l = json_doc_first(json_doc_member(process, "listens"));
	STRBUF(text, 3 * PATH_MAX);

	print_title(a);
	add_line(a, "served",
		 a->facts->is_missing		    ? "not found"
		 : json_doc_truth(a->all, "served") ? "yes: {back end $backend, }mode $mode"
						    : "no",
		 a->all);
	add_line(a, "why", "$reason", a->all);
	for (; script; script = json_doc_next(script))
		add_marked(a->out, "script", TEXT_AT, script->text);
	/* A process may run another file than the one that was looked at. */
	(void)text_expand(&text, process ? "$exe" : "$binary", process ? process : program);
	if (text.len)
		(void)text_expand(
			&text,
			"{: $class-bit}{, $machine}{, $linkage}{, Go$go}{, $libc}{, $privilege}",
			program);
	add_marked(a->out, "program", TEXT_AT, text.text);
	add_line(a, "linker", "$interpreter", program);
	if (process)
		add_line(a, "process",
			 json_doc_number(process, "children") == 1
				 ? "$pid ($name), user $user{, in $directory}, 1 process below it"
				 : "$pid ($name), user $user{, in $directory}{, $children "
				   "processes below it}",
			 process);
	for (; l; l = json_doc_next(l))
		add_line(a, "listens on",
			 json_doc_number(l, "holders") > 1
				 ? "$address ($name, pid $pid, and others)"
				 : "$address ($name, pid $pid)",
			 l);
	l = json_doc_first(json_doc_member(process, "unix"));
	for (; l; l = json_doc_next(l))
		add_line(a, "listens on", "$path ($name, pid $pid)", l);
	add_notes(a);
	strbuf_add(a->out, *section ? "\nFor broker.ini:\n\n" : "");
	strbuf_add(a->out, section);
}

static void print_json(struct answer *a, const char *section)
{
	const struct strbuf *facts = &a->facts->json;
	struct strbuf *out = a->out;

	json_begin(out, "doctor");
	json_array(out, "command");
	for (const char *const *w = a->facts->command; *w; w++)
		json_str(out, NULL, *w);
	json_close_array(out);
	/* Its members, without the braces. */
	strbuf_add(out, ",");
	strbuf_add_bytes(out, facts->text + 1, facts->len - 2);
	json_array(out, "notes");
	add_notes(a);
	json_close_array(out);
	json_str(out, "section", section);
	json_end(out);
}

bool doctor_text(const struct doctor_facts *facts, bool json, struct strbuf *out)
{
	struct answer a = { .facts = facts, .out = out, .json = json };
	STRBUF(section, SECTION_SIZE);
	_cleanup_free_ char *copy = NULL;
	struct json_doc doc;

	if (!facts->json.cut)
		copy = strndup(facts->json.text, facts->json.len);
	if (!copy || json_doc_read(copy, facts->json.len, &doc) < 0) {
		out->cut = true;
		return false;
	}
	a.all = doc.value;
	a.program = json_doc_member(a.all, "program");
	a.process = json_doc_member(a.all, "process");
	add_section(&a, &section);
	(json ? print_json : print_text)(&a, section.text);
	return !out->cut && json_doc_truth(a.all, "served");
}

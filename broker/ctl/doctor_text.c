#include "doctor_text.h"

#include <string.h>
#include "base/address.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "ctl/doctor_judge.h"

#define WIDTH  96
#define INDENT 2
#define LABEL  12

/* --- the launcher's report --------------------------------------------------------------- */

/* The key of a line is the name of the member. */
static const struct {
	const char *key;
	size_t offset;
} fields[] = {
#define FIELD(name)                                                                                \
	{                                                                                          \
#name, offsetof(struct doctor_program, name)                                       \
	}
	FIELD(path),	    FIELD(binary),  FIELD(class),   FIELD(machine), FIELD(linkage),
	FIELD(interpreter), FIELD(libc),    FIELD(first),   FIELD(go),	    FIELD(io_uring),
	FIELD(privilege),   FIELD(verdict), FIELD(backend), FIELD(reason),
#undef FIELD
};

static void set_field(struct doctor_program *p, const char *key, const char *value)
{
	if (!strcmp(key, "script") && p->n_scripts < DOCTOR_SCRIPTS)
		p->scripts[p->n_scripts++] = value;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!strcmp(fields[i].key, key))
			*(const char **)((char *)p + fields[i].offset) = value;
}

bool doctor_report_parse(char *text, struct doctor_program *ret)
{
	char *line, *next = text;

	*ret = (struct doctor_program){ 0 };
	while ((line = strsep(&next, "\n"))) {
		char *equals = strchr(line, '=');

		if (!equals)
			continue;
		*equals = '\0';
		set_field(ret, line, equals + 1);
	}
	return ret->verdict != NULL;
}

static bool is_go(const struct doctor_program *p)
{
	return p->go && !strcmp(p->go, "yes");
}

/* --- for people ---------------------------------------------------------------------------- */

/*
 * Adds @text to a line that has @indent columns already, wrapped at blanks to WIDTH columns. It may
 * come from outside, so what could steer a terminal is escaped.
 */
static void add_wrapped(struct buf *out, size_t indent, const struct strbuf *text)
{
	STRBUF(escaped, 8 * PATH_MAX);
	const char *at = escaped.text;
	size_t used = indent;

	strbuf_add_escaped(&escaped, text->text, text->len);
	while (*at) {
		size_t n = strcspn(at, " ");

		if (used > indent && used + n + 1 > WIDTH) {
			buf_addf(out, "\n%*s", (int)indent, "");
			used = indent;
		}
		if (used > indent) {
			buf_add_str(out, " ");
			used++;
		}
		buf_add(out, at, n);
		used += n;
		at += n;
		at += strspn(at, " ");
	}
	buf_add_str(out, "\n");
}

PRINTF(3, 4) static void add_line(struct buf *out, const char *label, const char *fmt, ...)
{
	STRBUF(text, 3 * PATH_MAX);
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	if (!text.len)
		return;
	buf_addf(out, "%*s%-*s ", INDENT, "", LABEL, label);
	add_wrapped(out, INDENT + LABEL + 1, &text);
}

static void print_title(const struct doctor_facts *f, struct buf *out)
{
	STRBUF(text, 400);

	for (const char *const *w = f->command; w && *w; w++) {
		strbuf_add(&text, text.len ? " " : "");
		strbuf_add_escaped(&text, *w, strlen(*w));
	}
	if (!text.len && f->process)
		strbuf_add_escaped(&text, f->process->name, strlen(f->process->name));
	buf_addf(out, "%s%s\n", text.text, text.cut ? "..." : "");
}

static void print_verdict(const struct doctor_facts *f, struct buf *out)
{
	const char *verdict = f->program.verdict;

	if (doctor_can_serve(f))
		add_line(out, "served", "yes: back end %s, mode listen", f->program.backend);
	else
		add_line(out, "served", "%s",
			 verdict && !strcmp(verdict, "missing") ? "not found" : "no");
	if (f->program.reason)
		add_line(out, "why", "%s", f->program.reason);
}

static void print_program(const struct doctor_facts *f, struct buf *out)
{
	const struct doctor_program *p = &f->program;
	const char *binary = f->process ? f->process->exe : p->binary;
	const char *const details[] = { p->machine, p->linkage, is_go(p) ? "Go" : NULL, p->libc,
					p->privilege };
	STRBUF(text, 2 * PATH_MAX);

	for (size_t i = 0; i < p->n_scripts; i++)
		add_line(out, "script", "%s", p->scripts[i]);
	if (!binary)
		return;
	strbuf_add(&text, binary);
	if (p->class)
		strbuf_addf(&text, ": %s-bit", p->class);
	for (size_t i = 0; i < ARRAY_SIZE(details); i++)
		if (details[i])
			strbuf_addf(&text, ", %s", details[i]);
	add_line(out, "program", "%s", text.text);
	if (p->interpreter)
		add_line(out, "linker", "%s", p->interpreter);
}

static void print_process(const struct doctor_process *p, struct buf *out)
{
	STRBUF(children, 64);

	if (p->children)
		strbuf_addf(&children, ", %u process%s below it", p->children,
			    p->children == 1 ? "" : "es");
	add_line(out, "process", "%d (%s), user %s%s%s%s", (int)p->pid, p->name, p->user,
		 *p->cwd ? ", in " : "", p->cwd, children.text);
	for (size_t i = 0; i < p->n_listeners; i++) {
		const struct doctor_listener *l = &p->listeners[i];
		STRBUF(address, 80);

		address_format(&l->addr, &address);
		add_line(out, "listens on", "%s (%s, pid %d%s)", address.text, l->name, (int)l->pid,
			 l->holders > 1 ? ", and others" : "");
	}
}

void doctor_print_text(const struct doctor_facts *f, struct buf *out)
{
	struct buf section = BUF_INIT(out->max);
	struct doctor_notes notes;

	print_title(f, out);
	print_verdict(f, out);
	print_program(f, out);
	if (f->process)
		print_process(f->process, out);
	doctor_judge(f, &notes);
	for (size_t i = 0; i < notes.n; i++) {
		STRBUF(note, DOCTOR_NOTE_SIZE);

		strbuf_add(&note, notes.text[i]);
		buf_addf(out, "%s%*s- ", i ? "" : "\n", INDENT, "");
		add_wrapped(out, INDENT + 2, &note);
	}
	doctor_section(f, &section);
	if (section.len) {
		buf_add_str(out, "\nFor broker.ini:\n\n");
		buf_add(out, section.bytes, section.len);
	}
	out->failed = out->failed || section.failed;
	buf_deinit(&section);
}

/* --- for programs -------------------------------------------------------------------------- */

static void json_strings(struct buf *out, const char *key, const char *const *strings, size_t n)
{
	json_array(out, key);
	for (size_t i = 0; i < n; i++)
		json_str(out, NULL, strings[i]);
	json_close_array(out);
}

/* "" means not known. */
static void json_known(struct buf *out, const char *key, const char *value)
{
	json_str(out, key, *value ? value : NULL);
}

static void json_process(const struct doctor_process *p, struct buf *out)
{
	json_object(out, "process");
	json_int(out, "pid", p->pid);
	json_str(out, "name", p->name);
	json_str(out, "exe", p->exe);
	json_uint(out, "uid", p->uid);
	json_str(out, "user", p->user);
	json_known(out, "directory", p->cwd);
	json_uint(out, "children", p->children);
	json_uint(out, "unreadable", p->unreadable);
	json_known(out, "service", p->service);
	json_known(out, "worker", p->worker);
	json_bool(out, "library", p->library);
	json_bool(out, "io_uring", p->io_uring);
	json_bool(out, "node_cluster", p->node_cluster);
	json_bool(out, "pm2", p->pm2);
	json_bool(out, "listen_fds", p->listen_fds);
	json_bool(out, "other_network", p->other_network);
	json_bool(out, "other_root", p->other_root);
	json_array(out, "listens");
	for (size_t i = 0; i < p->n_listeners; i++) {
		const struct doctor_listener *l = &p->listeners[i];
		STRBUF(text, 80);

		address_format(&l->addr, &text);
		json_object(out, NULL);
		json_str(out, "address", text.text);
		json_uint(out, "port", l->addr.port);
		json_uint(out, "sockets", l->sockets);
		json_uint(out, "holders", l->holders);
		json_int(out, "pid", l->pid);
		json_str(out, "name", l->name);
		json_close(out);
	}
	json_close_array(out);
	json_close(out);
}

static void json_program(const struct doctor_program *p, struct buf *out)
{
	json_object(out, "program");
	json_str(out, "path", p->path);
	json_strings(out, "scripts", p->scripts, p->n_scripts);
	json_str(out, "binary", p->binary);
	json_str(out, "class", p->class);
	json_str(out, "machine", p->machine);
	json_str(out, "linkage", p->linkage);
	json_str(out, "interpreter", p->interpreter);
	json_str(out, "libc", p->libc);
	json_str(out, "sanitizer", p->first);
	json_bool(out, "go", is_go(p));
	json_str(out, "privilege", p->privilege);
	json_bool(out, "io_uring", p->io_uring != NULL);
	json_close(out);
}

void doctor_print_json(const struct doctor_facts *f, struct buf *out)
{
	struct buf section = BUF_INIT(out->max);
	struct doctor_notes notes;
	size_t n_words = 0;

	json_begin(out, "doctor");
	while (f->command && f->command[n_words])
		n_words++;
	json_strings(out, "command", f->command, n_words);
	json_bool(out, "served", doctor_can_serve(f));
	json_str(out, "backend", f->program.backend);
	json_str(out, "mode", doctor_can_serve(f) ? "listen" : NULL);
	json_str(out, "reason", f->program.reason);
	json_program(&f->program, out);
	if (f->process)
		json_process(f->process, out);
	else
		json_null(out, "process");
	doctor_judge(f, &notes);
	json_array(out, "notes");
	for (size_t i = 0; i < notes.n; i++)
		json_str(out, NULL, notes.text[i]);
	json_close_array(out);
	doctor_section(f, &section);
	json_bytes(out, "section", section.bytes ? section.bytes : "", section.len);
	json_end(out);
	out->failed = out->failed || section.failed;
	buf_deinit(&section);
}

/*
 * The doctor's answer, for people and for programs. Pure.
 */
#include <string.h>
#include "base/json.h"
#include "base/strbuf.h"
#include "ctl/doctor_facts.h"
#include "base/address.h"

#define WIDTH  96
#define INDENT 2
#define LABEL  12

/* @text, cut at blanks to lines of WIDTH columns; the first follows what stands there already. */
static void add_wrapped(struct buf *out, const char *text, size_t column, size_t indent)
{
	size_t used = column;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (used > indent && used + n + (used > column) > WIDTH) {
			buf_addf(out, "\n%*s", (int)indent, "");
			used = column = indent;
		}
		if (used > column) {
			buf_add_str(out, " ");
			used++;
		}
		buf_add(out, text, n);
		used += n;
		text += n;
		text += strspn(text, " ");
	}
	buf_add_str(out, "\n");
}

static void add_line(struct buf *out, const char *label, const char *text)
{
	if (!*text)
		return;
	buf_addf(out, "%*s%-*s ", INDENT, "", LABEL, label);
	add_wrapped(out, text, INDENT + LABEL + 1, INDENT + LABEL + 1);
}

/* From outside: a name may hold what steers a terminal. */
static void add_text(struct strbuf *out, const char *text)
{
	strbuf_add_escaped(out, text, strlen(text));
}

static void print_title(const struct doctor_facts *f, struct buf *out)
{
	STRBUF(text, 400);

	for (const char *const *w = f->command; w && *w; w++) {
		if (text.len)
			strbuf_add(&text, " ");
		add_text(&text, *w);
	}
	if (!text.len && f->process)
		add_text(&text, f->process->name);
	buf_addf(out, "%s%s\n", text.text, text.cut ? "..." : "");
}

static void print_verdict(const struct doctor_facts *f, struct buf *out)
{
	STRBUF(text, 1200);

	if (doctor_can_serve(f))
		strbuf_addf(&text, "yes: back end %s, mode listen", f->program.backend);
	else if (f->program.verdict && !strcmp(f->program.verdict, "missing"))
		strbuf_add(&text, "not found");
	else
		strbuf_add(&text, "no");
	add_line(out, "served", text.text);
	if (f->program.reason) {
		STRBUF(why, 2048);

		add_text(&why, f->program.reason);
		add_line(out, "why", why.text);
	}
}

static void print_program(const struct doctor_facts *f, struct buf *out)
{
	const struct doctor_program *p = &f->program;
	const char *binary = f->process ? f->process->exe : p->binary;
	const char *const details[] = { p->machine, p->linkage,
					p->go && !strcmp(p->go, "yes") ? "Go" : NULL, p->libc,
					p->privilege };
	STRBUF(text, 2 * PATH_MAX);

	for (size_t i = 0; i < p->n_scripts; i++) {
		STRBUF(script, PATH_MAX);

		add_text(&script, p->scripts[i]);
		add_line(out, "script", script.text);
	}
	if (!binary)
		return;
	add_text(&text, binary);
	if (p->class)
		strbuf_addf(&text, ": %s-bit", p->class);
	for (size_t i = 0; i < ARRAY_SIZE(details); i++)
		if (details[i])
			strbuf_addf(&text, ", %s", details[i]);
	add_line(out, "program", text.text);
	if (p->interpreter) {
		STRBUF(linker, PATH_MAX);

		add_text(&linker, p->interpreter);
		add_line(out, "linker", linker.text);
	}
}

static void print_process(const struct doctor_process *p, struct buf *out)
{
	STRBUF(text, 2 * PATH_MAX);

	strbuf_addf(&text, "%d (", (int)p->pid);
	add_text(&text, p->name);
	strbuf_addf(&text, "), user %s", p->user);
	if (*p->cwd) {
		strbuf_add(&text, ", in ");
		add_text(&text, p->cwd);
	}
	if (p->children)
		strbuf_addf(&text, ", %u process%s below it", p->children,
			    p->children == 1 ? "" : "es");
	add_line(out, "process", text.text);
	for (size_t i = 0; i < p->n_listeners; i++) {
		const struct doctor_listener *l = &p->listeners[i];

		text.text[text.len = 0] = '\0';
		address_format(&l->addr, &text);
		strbuf_add(&text, " (");
		add_text(&text, l->name);
		strbuf_addf(&text, ", pid %d%s)", (int)l->pid,
			    l->holders > 1 ? ", and others" : "");
		add_line(out, "listens on", text.text);
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
		STRBUF(text, 2 * DOCTOR_NOTE_SIZE);

		add_text(&text, notes.text[i]);
		buf_addf(out, "%s%*s- ", i ? "" : "\n", INDENT, "");
		add_wrapped(out, text.text, INDENT + 2, INDENT + 2);
	}
	doctor_section(f, &section);
	if (section.len) {
		buf_add_str(out, "\nFor broker.ini:\n\n");
		buf_add(out, section.bytes, section.len);
	}
	out->failed = out->failed || section.failed;
	buf_deinit(&section);
}

static void json_process(const struct doctor_process *p, struct buf *out)
{
	json_object(out, "process");
	json_int(out, "pid", p->pid);
	json_str(out, "name", p->name);
	json_str(out, "exe", p->exe);
	json_uint(out, "uid", p->uid);
	json_str(out, "user", p->user);
	json_str(out, "directory", *p->cwd ? p->cwd : NULL);
	json_uint(out, "children", p->children);
	json_uint(out, "unreadable", p->unreadable);
	json_str(out, "service", *p->service ? p->service : NULL);
	json_str(out, "worker", *p->worker ? p->worker : NULL);
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
	json_array(out, "scripts");
	for (size_t i = 0; i < p->n_scripts; i++)
		json_str(out, NULL, p->scripts[i]);
	json_close_array(out);
	json_str(out, "binary", p->binary);
	json_str(out, "class", p->class);
	json_str(out, "machine", p->machine);
	json_str(out, "linkage", p->linkage);
	json_str(out, "interpreter", p->interpreter);
	json_str(out, "libc", p->libc);
	json_str(out, "sanitizer", p->first);
	json_bool(out, "go", p->go && !strcmp(p->go, "yes"));
	json_str(out, "privilege", p->privilege);
	json_bool(out, "io_uring", p->io_uring != NULL);
	json_close(out);
}

void doctor_print_json(const struct doctor_facts *f, struct buf *out)
{
	struct buf section = BUF_INIT(out->max);
	struct doctor_notes notes;

	json_begin(out);
	json_str(out, "type", "doctor");
	json_array(out, "command");
	for (const char *const *w = f->command; w && *w; w++)
		json_str(out, NULL, *w);
	json_close_array(out);
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

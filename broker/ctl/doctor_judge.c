#include "doctor_judge.h"

#include <ctype.h>
#include <string.h>
#include "base/strbuf.h"
#include "base/address.h"
#include "config/conf_read.h"
#include "base/words.h"

/* Default ports of debuggers: node --inspect; jdwp has none, but everybody uses this one. */
static const uint16_t debug_ports[] = { 9229, 5005 };

static bool is_loopback(const struct handoff_addr *a)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return a->family == 4 ? a->ip[0] == 127 : !memcmp(a->ip, v6, sizeof(v6));
}

static bool is_debug_port(const struct doctor_listener *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(debug_ports); i++)
		if (l->addr.port == debug_ports[i])
			return is_loopback(&l->addr);
	return false;
}

static bool equals(const char *text, const char *want)
{
	return text && !strcmp(text, want);
}

static bool is_worker(const struct doctor_facts *f)
{
	return f->process && *f->process->worker;
}

bool doctor_can_serve(const struct doctor_facts *f)
{
	return equals(f->program.verdict, "yes");
}

/* --- notes ----------------------------------------------------------------------------- */

PRINTF(2, 3) static void note(struct doctor_notes *notes, const char *fmt, ...)
{
	struct strbuf text;
	va_list ap;

	if (notes->n == DOCTOR_NOTES)
		return;
	strbuf_init(&text, notes->text[notes->n++], DOCTOR_NOTE_SIZE);
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
}

static void judge_program(const struct doctor_program *p, struct doctor_notes *notes)
{
	if (p->first)
		note(notes,
		     "it is built with a sanitizer (%s), which is preloaded before the library of "
		     "the shim: nothing is to be done",
		     p->first);
	if (p->io_uring)
		note(notes,
		     "it is linked to liburing: if it accepts through io_uring, that must be "
		     "switched off; accepting that way cannot be brokered");
	if (p->n_scripts && doctor_can_serve(&(struct doctor_facts){ .program = *p }))
		note(notes,
		     "%s is a script: what was looked at is its interpreter %s. What the script "
		     "starts inherits the preparation, but a program that is static, or written in "
		     "Go, would not be served: ask about that one by its name",
		     p->scripts[0], p->binary ? p->binary : "");
}

static void judge_sockets(const struct doctor_process *p, struct doctor_notes *notes)
{
	if (p->other_network)
		note(notes, "it is in another network namespace (a container): what it listens on "
			    "cannot be seen from here");
	else if (!p->n_listeners && !*p->worker)
		note(notes, "it listens on no TCP port%s",
		     p->unreadable ? " as far as can be seen" : "");
	for (size_t i = 0; i < p->n_listeners; i++) {
		const struct doctor_listener *l = &p->listeners[i];
		const struct address_text text = address_text(&l->addr);

		if (is_debug_port(l))
			note(notes,
			     "%s looks like its debugger's port: private_ports leaves it to the "
			     "app, each worker then needs another one",
			     text.text);
		else if (l->sockets > 1)
			note(notes,
			     "%s is opened %u times (SO_REUSEPORT): its own workers share the "
			     "port. "
			     "Let it run one of them, and the broker run as many",
			     text.text, l->sockets);
		else if (l->holders > 1)
			note(notes,
			     "%u processes share %s: it forks workers of its own. That works "
			     "behind the broker too; one of them for each worker of the broker "
			     "lets a drain finish sooner",
			     l->holders, text.text);
	}
}

static void judge_process(const struct doctor_process *p, struct doctor_notes *notes)
{
	if (*p->worker)
		note(notes, "it is %s of service %s: already a worker of a broker%s", p->worker,
		     p->service,
		     p->library ? ""
				: "; but the library is not loaded, so it uses its own sockets");
	if (p->io_uring)
		note(notes, "it has an io_uring open: accepting through it cannot be brokered. For "
			    "node (libuv) UV_USE_IO_URING=0 switches it off");
	if (p->node_cluster)
		note(notes,
		     "it is a worker of node's cluster module: start the app without it; the "
		     "broker's workers take its place");
	if (p->pm2)
		note(notes, "PM2 runs it, and would start it again: `pm2 delete` it before the "
			    "broker runs it, in fork mode of one process");
	if (p->listen_fds)
		note(notes, "it was given its sockets by socket activation (LISTEN_FDS): a worker "
			    "must call listen() itself, or be told its port");
	judge_sockets(p, notes);
	if (p->other_root)
		note(notes, "it is in another mount namespace (a container): paths are as it sees "
			    "them");
	if (p->unreadable)
		note(notes,
		     "%u process%s of it cannot be read by this user: ask as root to see all",
		     p->unreadable, p->unreadable == 1 ? "" : "es");
}

void doctor_judge(const struct doctor_facts *f, struct doctor_notes *ret)
{
	ret->n = 0;
	if (f->process)
		judge_process(f->process, ret);
	judge_program(&f->program, ret);
}

/* --- the section ----------------------------------------------------------------------- */

/* Its first argument is the program that people mean. */
static bool is_interpreter(const char *base)
{
	static const char *const names[] = { "node", "python", "perl", "ruby", "php",  "sh",
					     "bash", "dash",   "npm",  "npx",  "deno", "bun" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i]);

		/* python3.11 */
		if (!strncmp(base, names[i], n) &&
		    strspn(base + n, "0123456789.") == strlen(base + n))
			return true;
	}
	return false;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* `node /srv/app.js` becomes "app", /opt/my-server becomes "my-server". If nothing fits: "app". */
static void add_name(const char *const *command, struct buf *out)
{
	const char *base = command && command[0] ? base_of(command[0]) : "";
	size_t n;

	if (is_interpreter(base) && command[1] && command[1][0] != '-')
		base = base_of(command[1]);
	n = strcspn(base, ".");
	if (conf_name_ok(base, n) && !isdigit((unsigned char)*base))
		buf_add(out, base, n);
	else
		buf_add_str(out, "app");
}

static void add_command(const char *const *command, struct buf *out)
{
	_cleanup_free_ char *storage = malloc(WORDS_BYTES_MAX * 2);
	struct strbuf line;

	if (!storage) {
		out->failed = true;
		return;
	}
	strbuf_init(&line, storage, WORDS_BYTES_MAX * 2);
	for (; command && *command; command++) {
		if (line.len)
			strbuf_add(&line, " ");
		words_add_quoted(&line, *command);
	}
	buf_addf(out, "command = %s\n", line.text);
}

static void add_listeners(const struct doctor_process *p, struct buf *out)
{
	for (size_t i = 0; i < p->n_listeners; i++) {
		const struct doctor_listener *l = &p->listeners[i];

		if (is_debug_port(l))
			buf_addf(out, "private_ports = %u\n", l->addr.port);
		else
			buf_addf(out, "listen = %s for %u\n", address_text(&l->addr).text,
				 l->addr.port);
	}
}

void doctor_section(const struct doctor_facts *f, struct buf *out)
{
	const struct doctor_process *p = f->process;

	if (!doctor_can_serve(f) || is_worker(f) || !f->command || !*f->command)
		return;
	buf_add_str(out, "[service:");
	add_name(f->command, out);
	buf_add_str(out, "]\n");
	add_command(f->command, out);
	if (!p)
		return;
	if (*p->cwd && strcmp(p->cwd, "/") != 0) {
		STRBUF(quoted, 2 * PATH_MAX);

		words_add_quoted(&quoted, p->cwd);
		buf_addf(out, "directory = %s\n", quoted.text);
	}
	/* A broker of the same user starts its workers as that user anyway. */
	if (!p->same_user)
		buf_addf(out, "user = %s\n", p->user);
	if (p->io_uring && !strcmp(base_of(p->exe), "node"))
		buf_add_str(out, "environment = UV_USE_IO_URING=0\n");
	add_listeners(p, out);
}

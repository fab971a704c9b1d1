#include "report.h"

#include <string.h>

struct text {
	char *at, *end;
};

/* A file name may hold anything; the reader expects one line. */
static void put(struct text *text, const char *key, const char *value)
{
	size_t n = strlen(key) + strlen(value) + 2;

	if (!*value || (size_t)(text->end - text->at) <= n)
		return;
	text->at = stpcpy(text->at, key);
	*text->at++ = '=';
	for (; *value; value++)
		*text->at++ = (unsigned char)*value < ' ' || *value == 0x7f ? '?' : *value;
	*text->at++ = '\n';
	*text->at = '\0';
}

static const char *libc_of(const struct elf_info *elf)
{
	if (strstr(elf->interp, "/ld-musl-"))
		return "musl";
	if (strstr(elf->interp, "/ld-linux") || strstr(elf->interp, "/ld64.so") ||
	    strstr(elf->interp, "/ld-2."))
		return "glibc";
	return "";
}

static void put_elf(struct text *out, const struct elf_info *elf)
{
	put(out, "class", elf->bits == 64 ? "64" : "32");
	put(out, "machine", program_machine(elf->machine));
	/* Of another machine's file nothing else was read. */
	if (!elf->whole)
		return;
	put(out, "linkage", elf->dynamic ? "dynamic" : "static");
	put(out, "interpreter", elf->interp);
	put(out, "libc", libc_of(elf));
	put(out, "first", elf->first);
	put(out, "go", elf->go ? "yes" : "no");
	put(out, "io_uring", elf->io_uring ? "linked" : "");
}

void report_text(const struct program *program, enum launch_exit code, char ret[REPORT_SIZE])
{
	struct text text = { ret, ret + REPORT_SIZE }, *out = &text;
	const char *mark = *program->binary ? program_privilege(program->binary) : NULL;

	*ret = '\0';
	put(out, "path", program->path);
	for (int i = 0; i < program->n_scripts; i++)
		put(out, "script", program->scripts[i]);
	put(out, "binary", program->binary);
	if (program->elf.bits)
		put_elf(out, &program->elf);
	put(out, "privilege", mark ? mark : "");
	put(out, "verdict",
	    code == LAUNCH_GOOD	     ? "yes"
	    : code == LAUNCH_MISSING ? "missing"
				     : "no");
	put(out, "backend", code == LAUNCH_GOOD ? "preload" : "");
	put(out, "reason", reason_text());
}

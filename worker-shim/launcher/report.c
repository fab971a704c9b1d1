#include "report.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

/* A file name may hold anything; the reader expects one line. */
static void put(const char *key, const char *value)
{
	if (!*value)
		return;
	(void)printf("%s=", key);
	for (; *value; value++)
		(void)putchar((unsigned char)*value < ' ' || *value == 0x7f ? '?' : *value);
	(void)putchar('\n');
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

static void put_elf(const struct elf_info *elf)
{
	put("class", elf->bits == 64 ? "64" : "32");
	put("machine", program_machine(elf->machine));
	/* Of another machine's file nothing else was read. */
	if (!elf->whole)
		return;
	put("linkage", elf->dynamic ? "dynamic" : "static");
	put("interpreter", elf->interp);
	put("libc", libc_of(elf));
	put("first", elf->first);
	put("go", elf->go ? "yes" : "no");
	put("io_uring", elf->io_uring ? "linked" : "");
}

void report_write(const struct program *program, const struct reason *reason)
{
	const char *mark = *program->binary ? program_privilege(program->binary) : NULL;

	put("path", program->path);
	for (int i = 0; i < program->n_scripts; i++)
		put("script", program->scripts[i]);
	put("binary", program->binary);
	if (program->elf.bits)
		put_elf(&program->elf);
	put("privilege", mark ? mark : "");
	switch (reason->code) {
	case LAUNCH_GOOD:
		put("verdict", "yes");
		put("backend", "preload");
		break;
	case LAUNCH_MISSING:
		put("verdict", "missing");
		break;
	case LAUNCH_REFUSED:
	case LAUNCH_USAGE:
		put("verdict", "no");
		break;
	}
	put("reason", reason->text);
}

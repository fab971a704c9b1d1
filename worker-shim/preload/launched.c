#include "launched.h"

#include <elf.h>
#include <string.h>
#include <sys/syscall.h>
#include "environ.h"
#include "real.h"

#define ARGUMENTS_MAX 1024 /* more of them, and the stack is too small */
#define SCRIPTS	      5	   /* as many as the kernel follows */

/* Headers and notes are in the first page, where linkers put them. */
struct page {
	ssize_t n;
	union {
		char bytes[4097];
		Elf64_Ehdr elf;
	};
};

static bool read_page(const char *path, struct page *ret)
{
	_cleanup_real_fd_ int fd =
		(int)real.syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	ret->n = fd < 0 ? -1 : real.read(fd, ret->bytes, sizeof(ret->bytes) - 1);
	if (ret->n > 0)
		ret->bytes[ret->n] = '\0';
	return ret->n > 0;
}

static bool has_go_note(const struct page *page, const Elf64_Phdr *ph)
{
	uint64_t at = ph->p_offset, end = at + ph->p_filesz, n = (uint64_t)page->n;
	Elf64_Nhdr note;

	for (; at < end && at < n && at + sizeof(note) + 4 <= n;
	     at +=
	     sizeof(note) + ((note.n_namesz + 3ull) & ~3ull) + ((note.n_descsz + 3ull) & ~3ull)) {
		memcpy(&note, page->bytes + at, sizeof(note));
		if (note.n_namesz == 4 && !memcmp(page->bytes + at + sizeof(note), "Go", 3))
			return true;
	}
	return false;
}

/* As launcher/elf.c has it, which reads all of the file. */
static bool is_raw(const struct page *page)
{
	const Elf64_Ehdr *eh = &page->elf;
	bool is_static = true;
	Elf64_Phdr ph;

	if (page->n < (ssize_t)sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_phentsize != sizeof(ph))
		return false;
	for (size_t i = 0; i < eh->e_phnum; i++) {
		uint64_t at = eh->e_phoff + i * sizeof(ph);

		if (eh->e_phoff > (uint64_t)page->n || at + sizeof(ph) > (uint64_t)page->n)
			return false;
		memcpy(&ph, page->bytes + at, sizeof(ph));
		if (ph.p_type == PT_NOTE && has_go_note(page, &ph))
			return true;
		is_static = is_static && ph.p_type != PT_INTERP;
	}
	return is_static;
}

/* Its tools are static, and load the program that they check, with the library, by themselves. */
static bool is_valgrind(char *const envp[])
{
	while (envp && *envp)
		if (!strncmp(*envp++, "VALGRIND_LAUNCHER=", 18))
			return true;
	return false;
}

const char *launched_option(const char *path, char *const argv[], char *const envp[])
{
	const char *name = path;
	struct page page;
	size_t n;

	if (!path || !argv || !argv[0] || !environ_kept.launcher || !*environ_kept.launcher ||
	    launched_room(argv) > (ARGUMENTS_MAX + 5) * sizeof(char *) ||
	    real.syscall(SYS_faccessat, AT_FDCWD, path, X_OK) < 0)
		return NULL;
	for (int i = 0; read_page(name, &page); i++) {
		if (page.bytes[0] != '#' || page.bytes[1] != '!' || i == SCRIPTS)
			break;
		n = 2 + strspn(page.bytes + 2, " \t");
		page.bytes[n + strcspn(page.bytes + n, " \t\n")] = '\0';
		name = page.bytes + n;
	}
	if (!is_raw(&page) || is_valgrind(envp))
		return NULL;
	/* What has a fixed address may be where a filter of this process traps calls. */
	return page.elf.e_type == ET_EXEC && environ_kept.traps ? "--execute" : "--try-execute";
}

size_t launched_room(char *const argv[])
{
	size_t n = 0;

	while (argv[n])
		n++;
	return (n + 5) * sizeof(char *);
}

char **launched_words(const char *option, const char *path, char *const argv[], void *room)
{
	const char **out = room;

	out[0] = "worker-shim";
	out[1] = option;
	out[2] = path;
	out[3] = "--";
	memcpy(out + 4, argv, launched_room(argv) - 4 * sizeof(*out));
	return room;
}

#include "elf.h"

#include <elf.h>
#include <string.h>

/* An executable has about ten program headers and forty sections; a hostile one may claim 65535. */
#define MAX_HEADERS 4096
#define MAX_DYNAMIC 65536

#define NATIVE_ENDIAN (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

struct view {
	const unsigned char *bytes;
	size_t len;
};

/* Copies @n bytes at @off: the buffer need not be aligned. False if they are not all there. */
static bool view_read(const struct view *v, uint64_t off, void *ret, size_t n)
{
	if (off > v->len || n > v->len - off)
		return false;
	memcpy(ret, v->bytes + off, n);
	return true;
}

/* Copies the string at @off; it must end inside the file and fit. */
static bool view_string(const struct view *v, uint64_t off, char *ret, size_t size)
{
	size_t left;

	if (off >= v->len)
		return false;
	left = v->len - off;
	if (!memchr(v->bytes + off, '\0', left < size ? left : size))
		return false;
	strcpy(ret, (const char *)v->bytes + off);
	return true;
}

static bool view_has_string(const struct view *v, uint64_t off, const char *text)
{
	char found[32];

	return view_string(v, off, found, sizeof(found)) && !strcmp(found, text);
}

static bool read_header(const struct view *v, const Elf64_Ehdr *eh, unsigned i, Elf64_Phdr *ret)
{
	return i < MAX_HEADERS && eh->e_phentsize == sizeof(*ret) &&
	       view_read(v, eh->e_phoff + (uint64_t)i * sizeof(*ret), ret, sizeof(*ret));
}

/* The place in the file of what the program finds at @address when it runs. */
static bool file_offset(const struct view *v, const Elf64_Ehdr *eh, uint64_t address, uint64_t *ret)
{
	Elf64_Phdr ph;

	for (unsigned i = 0; i < eh->e_phnum && read_header(v, eh, i, &ph); i++) {
		*ret = ph.p_offset + (address - ph.p_vaddr);
		if (ph.p_type == PT_LOAD && address >= ph.p_vaddr &&
		    address - ph.p_vaddr < ph.p_filesz)
			return true;
	}
	return false;
}

/* The sanitizers whose runtime refuses to start behind another preloaded library. */
static const char *const first[] = { "libasan.so",	 "libtsan.so",	     "libhwasan.so",
				     "libclang_rt.asan", "libclang_rt.tsan", NULL };

/* Libraries that may be linked to what only talks to its standard input, and do not listen. */
static const char *const quiet[] = { "libc.",	 "libm.",     "libcrypt.", "libutil.",
				     "libwrap.", "libident.", NULL };

static const char *const listening[] = { "listen", "dlopen", NULL };

static const char *const executing[] = { "execve", "execv", "execvp",	   "execl",	   "execlp",
					 "system", "popen", "posix_spawn", "posix_spawnp", NULL };

static const char *const io_uring[] = { "liburing.so", NULL };

static bool begins_as(const char *name, const char *const *prefix)
{
	while (*prefix && strncmp(name, *prefix, strlen(*prefix)) != 0)
		prefix++;
	return *prefix;
}

/* Whether a name that the program imports, of @n bytes at @strings, is one, or ends with it. */
static bool has_name(const struct view *v, uint64_t strings, uint64_t n, const char *const *name)
{
	if (strings >= v->len || n > v->len - strings)
		return false;
	while (*name && !memmem(v->bytes + strings, n, *name, strlen(*name) + 1))
		name++;
	return *name;
}

/* Entry @i of the dynamic section; false at its end. */
static bool read_entry(const struct view *v, const Elf64_Phdr *ph, uint64_t i, Elf64_Dyn *ret)
{
	return i < MAX_DYNAMIC && i < ph->p_filesz / sizeof(*ret) &&
	       view_read(v, ph->p_offset + i * sizeof(*ret), ret, sizeof(*ret)) &&
	       ret->d_tag != DT_NULL;
}

static void read_dynamic(const struct view *v, const Elf64_Ehdr *eh, const Elf64_Phdr *ph,
			 struct elf_info *ret)
{
	char name[sizeof(ret->first)];
	bool has_strings = false;
	uint64_t strings = 0, size = 0;
	Elf64_Dyn dyn;

	for (uint64_t i = 0; read_entry(v, ph, i, &dyn); i++) {
		if (dyn.d_tag == DT_STRTAB)
			has_strings = file_offset(v, eh, dyn.d_un.d_ptr, &strings);
		if (dyn.d_tag == DT_STRSZ)
			size = dyn.d_un.d_val;
	}
	ret->never_listens = has_strings && size && !has_name(v, strings, size, listening);
	ret->never_executes = has_strings && size && !has_name(v, strings, size, executing);
	for (uint64_t i = 0; has_strings && read_entry(v, ph, i, &dyn); i++) {
		if (dyn.d_tag != DT_NEEDED || dyn.d_un.d_val > v->len ||
		    !view_string(v, strings + dyn.d_un.d_val, name, sizeof(name)))
			continue;
		if (!*ret->first && begins_as(name, first))
			strcpy(ret->first, name);
		ret->io_uring = ret->io_uring || begins_as(name, io_uring);
		ret->never_listens = ret->never_listens && begins_as(name, quiet);
	}
}

/* The Go toolchain marks its programs by a note; `strip` leaves it. */
static bool is_go_note(const struct view *v, const Elf64_Phdr *ph)
{
	uint64_t at = ph->p_offset, end = ph->p_offset + ph->p_filesz;
	Elf64_Nhdr note;

	for (int i = 0; i < 64 && at < end && view_read(v, at, &note, sizeof(note)); i++) {
		at += sizeof(note);
		if (note.n_namesz == 4 && view_has_string(v, at, "Go"))
			return true;
		at += (((uint64_t)note.n_namesz + 3) & ~3ull) +
		      (((uint64_t)note.n_descsz + 3) & ~3ull);
	}
	return false;
}

static bool has_go_section(const struct view *v, const Elf64_Ehdr *eh)
{
	Elf64_Shdr names, sh;

	if (eh->e_shentsize != sizeof(sh) ||
	    !view_read(v, eh->e_shoff + (uint64_t)eh->e_shstrndx * sizeof(sh), &names,
		       sizeof(names)))
		return false;
	for (unsigned i = 0; i < eh->e_shnum && i < MAX_HEADERS; i++) {
		if (!view_read(v, eh->e_shoff + (uint64_t)i * sizeof(sh), &sh, sizeof(sh)))
			return false;
		if (view_has_string(v, names.sh_offset + sh.sh_name, ".go.buildinfo"))
			return true;
	}
	return false;
}

enum elf_result elf_parse(const void *buf, size_t len, struct elf_info *ret)
{
	const struct view v = { buf, len };
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (len < SELFMAG || memcmp(buf, ELFMAG, SELFMAG) != 0)
		return ELF_NONE;
	memset(ret, 0, sizeof(*ret));
	memset(&eh, 0, sizeof(eh));
	/* e_machine lies at the same place in both classes. */
	if (!view_read(&v, 0, &eh, offsetof(Elf64_Ehdr, e_version)))
		return ELF_BROKEN;
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 && eh.e_ident[EI_CLASS] != ELFCLASS32)
		return ELF_BROKEN;
	ret->bits = eh.e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
	ret->endian = eh.e_ident[EI_DATA];
	ret->machine = eh.e_machine;
	if (ret->bits != 64 || ret->endian != NATIVE_ENDIAN)
		return ELF_GOOD;

	if (!view_read(&v, 0, &eh, sizeof(eh)))
		return ELF_BROKEN;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		if (!read_header(&v, &eh, i, &ph))
			return ELF_BROKEN;
		if (ph.p_type == PT_INTERP &&
		    !view_string(&v, ph.p_offset, ret->interp, sizeof(ret->interp)))
			return ELF_BROKEN;
		if (ph.p_type == PT_DYNAMIC)
			read_dynamic(&v, &eh, &ph, ret);
		if (ph.p_type == PT_NOTE && is_go_note(&v, &ph))
			ret->go = true;
	}
	ret->go = ret->go || has_go_section(&v, &eh);
	ret->raw = ret->go || !*ret->interp;
	ret->whole = true;
	return ELF_GOOD;
}

#include "image.h"

#include <string.h>
#include <sys/mman.h>

#define ADDRESS_MAX (1ull << 56) /* no machine has more */

uint64_t image_up(uint64_t n, uint64_t page)
{
	return (n + page - 1) & ~(page - 1);
}

/* --- the program --------------------------------------------------------------------------- */

static bool add_segment(const Elf64_Phdr *ph, size_t len, uint64_t page, struct image *ret)
{
	uint64_t before = ph->p_vaddr & (page - 1);

	if (ret->n == IMAGE_SEGMENTS || ph->p_filesz > ph->p_memsz || ph->p_offset > len ||
	    ph->p_filesz > len - ph->p_offset || ph->p_vaddr > ADDRESS_MAX ||
	    ph->p_memsz > ADDRESS_MAX || (ph->p_offset & (page - 1)) != before ||
	    (ret->n && ph->p_vaddr < ret->to - page))
		return false;
	if (!ret->n)
		ret->from = ph->p_vaddr - before;
	ret->to = image_up(ph->p_vaddr + ph->p_memsz, page);
	if (ph->p_align > ret->align && !(ph->p_align & (ph->p_align - 1)) &&
	    ph->p_align <= ADDRESS_MAX)
		ret->align = ph->p_align;
	ret->segments[ret->n++] = (struct image_segment){
		.at = ph->p_vaddr - before,
		.offset = ph->p_offset - before,
		.n_file = ph->p_filesz ? ph->p_filesz + before : 0,
		.n = ph->p_memsz + before,
		.protection = (ph->p_flags & PF_R ? PROT_READ : 0) |
			      (ph->p_flags & PF_W ? PROT_WRITE : 0) |
			      (ph->p_flags & PF_X ? PROT_EXEC : 0),
	};
	return true;
}

bool image_plan(const void *file, size_t len, uint64_t page, struct image *ret)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (len < sizeof(eh))
		return false;
	memcpy(&eh, file, sizeof(eh));
	if ((eh.e_type != ET_EXEC && eh.e_type != ET_DYN) || eh.e_phentsize != sizeof(ph) ||
	    eh.e_phoff > len || eh.e_phnum > (len - eh.e_phoff) / sizeof(ph))
		return false;
	*ret = (struct image){ .fixed = eh.e_type == ET_EXEC,
			       .align = page,
			       .entry = eh.e_entry,
			       .n_headers = eh.e_phnum };
	for (size_t i = 0; i < eh.e_phnum; i++) {
		memcpy(&ph, (const char *)file + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_GNU_STACK)
			ret->runs_stack = ph.p_flags & PF_X;
		if (ph.p_type != PT_LOAD || !ph.p_memsz)
			continue;
		if (!add_segment(&ph, len, page, ret))
			return false;
		if (eh.e_phoff >= ph.p_offset && eh.e_phoff - ph.p_offset < ph.p_filesz)
			ret->headers = ph.p_vaddr + (eh.e_phoff - ph.p_offset);
	}
	return ret->n && ret->entry >= ret->from && ret->entry < ret->to;
}

/* --- its stack ----------------------------------------------------------------------------- */

static Elf64_auxv_t *find(Elf64_auxv_t *auxv, uint64_t type)
{
	while (auxv->a_type != AT_NULL && auxv->a_type != type)
		auxv++;
	return auxv;
}

void image_describe(Elf64_auxv_t *auxv, const struct image *program, uint64_t moved,
		    uint64_t linker)
{
	const uint64_t told[][2] = {
		{ AT_PHDR, program->headers ? program->headers + moved : 0 },
		{ AT_PHENT, sizeof(Elf64_Phdr) },
		{ AT_PHNUM, program->n_headers },
		{ AT_ENTRY, program->entry + moved },
		{ AT_BASE, linker },
	};

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		Elf64_auxv_t *at = find(auxv, told[i][0]);

		if (at->a_type != AT_NULL)
			at->a_un.a_val = told[i][1];
	}
}

static size_t count(char *const list[], size_t *bytes)
{
	size_t n = 0;

	for (; list[n]; n++)
		*bytes += strlen(list[n]) + 1;
	return n;
}

size_t image_stack_size(char *const argv[], char *const envp[], const Elf64_auxv_t *auxv,
			const char *path)
{
	size_t bytes = strlen(path) + 1, words = 3 + count(argv, &bytes) + count(envp, &bytes);

	while (auxv++->a_type != AT_NULL)
		words += 2;
	return image_up((words + 2) * sizeof(uint64_t) + bytes, 16);
}

/* The texts of @list to @*text, and where they are to @*word; 0 at the end. */
static void put(char *const list[], uint64_t **word, char **text)
{
	for (; *list; list++) {
		*(*word)++ = (uintptr_t)*text;
		*text = stpcpy(*text, *list) + 1;
	}
	*(*word)++ = 0;
}

void image_stack(void *room, char *const argv[], char *const envp[], const Elf64_auxv_t *auxv,
		 const char *path, struct image_texts *ret)
{
	char *text = (char *)room + image_stack_size(argv, envp, auxv, path);
	size_t bytes = strlen(path) + 1;
	uint64_t *word = room;

	*word++ = count(argv, &bytes);
	(void)count(envp, &bytes);
	text -= bytes;
	ret->arguments = (uintptr_t)text;
	put(argv, &word, &text);
	ret->arguments_end = ret->environment = (uintptr_t)text;
	put(envp, &word, &text);
	ret->environment_end = (uintptr_t)text;
	strcpy(text, path);
	for (;; auxv++) {
		*word++ = auxv->a_type;
		*word++ = auxv->a_type == AT_EXECFN ? (uintptr_t)text : auxv->a_un.a_val;
		if (auxv->a_type == AT_NULL)
			return;
	}
}

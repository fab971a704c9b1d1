/* links: worker-shim/launcher/image */
#include "launcher/image.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096u

struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[5];
	char bytes[3 * PAGE];
};

/* Text, variables that are half in the file, and a stack. */
static struct file file(void)
{
	struct file f = { .eh = { .e_type = ET_EXEC,
				  .e_entry = 0x400010,
				  .e_phoff = offsetof(struct file, ph),
				  .e_phentsize = sizeof(Elf64_Phdr),
				  .e_phnum = 3 } };

	f.ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
				.p_vaddr = 0x400000,
				.p_filesz = 0x800,
				.p_memsz = 0x800,
				.p_flags = PF_R | PF_X,
				.p_align = PAGE };
	f.ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
				.p_offset = 0x900,
				.p_vaddr = 0x401900,
				.p_filesz = 0x200,
				.p_memsz = 0x1900,
				.p_flags = PF_R | PF_W,
				.p_align = PAGE };
	f.ph[2] = (Elf64_Phdr){ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W };
	return f;
}

static bool plan(const struct file *f, struct image *ret)
{
	return image_plan(f, sizeof(*f), PAGE, ret);
}

TEST(segments_are_whole_pages_of_the_file)
{
	struct file f = file();
	struct image m;

	CHECK(plan(&f, &m));
	CHECK(m.fixed && !m.runs_stack);
	CHECK(m.from == 0x400000 && m.to == 0x404000 && m.align == PAGE);
	CHECK_EQ(m.entry, 0x400010);
	CHECK_EQ(m.headers, 0x400000 + offsetof(struct file, ph));
	CHECK_EQ(m.n, 2);
	CHECK(m.segments[0].at == 0x400000 && m.segments[0].offset == 0);
	CHECK(m.segments[0].n_file == 0x800 && m.segments[0].n == 0x800);
	CHECK_EQ(m.segments[0].protection, PROT_READ | PROT_EXEC);
	CHECK(m.segments[1].at == 0x401000 && m.segments[1].offset == 0);
	CHECK(m.segments[1].n_file == 0xb00 && m.segments[1].n == 0x2200);
	CHECK_EQ(m.segments[1].protection, PROT_READ | PROT_WRITE);
}

TEST(one_that_goes_anywhere_may_need_more_than_a_page)
{
	struct file f = file();
	struct image m;

	f.eh.e_type = ET_DYN;
	f.ph[0].p_align = 0x200000;
	f.ph[1].p_align = 3; /* nothing that there is */
	f.ph[2].p_flags |= PF_X;
	CHECK(plan(&f, &m));
	CHECK(!m.fixed && m.align == 0x200000 && m.runs_stack);
}

TEST(what_is_not_in_the_file_is_zero)
{
	struct file f = file();
	struct image m;

	f.ph[1].p_filesz = 0;
	CHECK(plan(&f, &m));
	CHECK(m.segments[1].n_file == 0 && m.segments[1].n == 0x2200);
}

TEST(headers_that_are_not_loaded_are_nowhere)
{
	struct file f = file();
	struct image m;

	f.ph[0].p_offset = PAGE;
	f.ph[1].p_offset = PAGE + 0x900;
	CHECK(plan(&f, &m));
	CHECK_EQ(m.headers, 0);
}

TEST(lies_are_refused)
{
	static const struct {
		size_t at;
		uint64_t value;
	} lies[] = {
		{ offsetof(struct file, ph[1].p_offset), UINT64_MAX - 0x6ff },
		{ offsetof(struct file, ph[1].p_offset), 0x901 },
		{ offsetof(struct file, ph[1].p_filesz), UINT64_MAX },
		{ offsetof(struct file, ph[1].p_filesz), 0x1901 },
		{ offsetof(struct file, ph[1].p_memsz), UINT64_MAX },
		{ offsetof(struct file, ph[1].p_memsz), 0x1ff },
		{ offsetof(struct file, ph[1].p_vaddr), UINT64_MAX - 0x6ff },
		{ offsetof(struct file, ph[1].p_vaddr), 0x900 },
		{ offsetof(struct file, eh.e_phoff), UINT64_MAX },
		{ offsetof(struct file, eh.e_phoff), sizeof(struct file) - 8 },
		{ offsetof(struct file, eh.e_entry), 0x404000 },
		{ offsetof(struct file, eh.e_entry), 0 },
	};
	struct image m;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct file f = file();

		memcpy((char *)&f + lies[i].at, &lies[i].value, sizeof(lies[i].value));
		CHECK(!plan(&f, &m));
	}
}

TEST(no_other_kind_of_file_and_no_part_of_one)
{
	struct file f = file();
	struct image m;

	for (size_t n = 0; n < sizeof(f); n++) {
		void *cut = malloc(n ? n : 1);

		memcpy(cut, &f, n);
		CHECK_EQ(image_plan(cut, n, PAGE, &m),
			 n >= 0xb00 && n >= sizeof(f.eh) + 3 * sizeof(f.ph[0]));
		free(cut);
	}
	f.eh.e_type = ET_REL;
	CHECK(!plan(&f, &m));
	f = file();
	f.eh.e_phnum = 0;
	CHECK(!plan(&f, &m));
	f.eh.e_phnum = 0xffff;
	CHECK(!plan(&f, &m));
	f = file();
	f.eh.e_phentsize = 1;
	CHECK(!plan(&f, &m));
}

TEST(no_more_segments_than_there_is_room_for)
{
	Elf64_Phdr ph[IMAGE_SEGMENTS + 1];
	char *bytes = calloc(1, sizeof(Elf64_Ehdr) + sizeof(ph));
	struct file f = file();
	struct image m;

	for (size_t i = 0; i <= IMAGE_SEGMENTS; i++)
		ph[i] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_vaddr = i * PAGE, .p_memsz = 1 };
	f.eh.e_phoff = sizeof(f.eh);
	f.eh.e_entry = 1;
	for (uint16_t n = IMAGE_SEGMENTS; n <= IMAGE_SEGMENTS + 1; n++) {
		f.eh.e_phnum = n;
		memcpy(bytes, &f.eh, sizeof(f.eh));
		memcpy(bytes + sizeof(f.eh), ph, sizeof(ph));
		CHECK_EQ(image_plan(bytes, sizeof(f.eh) + sizeof(ph), PAGE, &m),
			 n == IMAGE_SEGMENTS);
	}
	free(bytes);
}

TEST(the_stack_is_that_of_execve)
{
	char a[] = "server", b[] = "", c[] = "HOME=/", random[] = "random";
	char *const argv[] = { a, b, NULL }, *const envp[] = { c, NULL };
	Elf64_auxv_t auxv[] = { { AT_PHDR, { 1 } },  { AT_ENTRY, { 2 } },
				{ AT_BASE, { 3 } },  { AT_RANDOM, { (uintptr_t)random } },
				{ AT_PHNUM, { 4 } }, { AT_EXECFN, { 5 } },
				{ AT_NULL, { 0 } } };
	struct file f = file();
	struct image_texts texts;
	Elf64_auxv_t *told;
	struct image m;
	uint64_t *word;
	size_t n;

	CHECK(plan(&f, &m));
	image_describe(auxv, &m, 0x1000, 0x7000);
	n = image_stack_size(argv, envp, auxv, "/srv/server");
	CHECK(n % 16 == 0);
	word = aligned_alloc(16, n);
	image_stack(word, argv, envp, auxv, "/srv/server", &texts);
	CHECK(word[0] == 2 && word[3] == 0 && word[5] == 0);
	CHECK(!strcmp((char *)word[1], a) && !strcmp((char *)word[2], b));
	CHECK(!strcmp((char *)word[4], c));
	/* As setproctitle() of many programs expects it. */
	CHECK(word[1] == texts.arguments && word[2] == word[1] + sizeof(a));
	CHECK(word[4] == word[2] + sizeof(b) && word[4] == texts.environment);
	CHECK_EQ(texts.arguments_end, texts.environment);
	CHECK_EQ(texts.environment_end, word[4] + sizeof(c));
	told = (Elf64_auxv_t *)(word + 6);
	CHECK_EQ(told[0].a_un.a_val, m.headers + 0x1000);
	CHECK_EQ(told[1].a_un.a_val, 0x401010);
	CHECK_EQ(told[2].a_un.a_val, 0x7000);
	CHECK_EQ(told[3].a_un.a_val, (uintptr_t)random);
	CHECK_EQ(told[4].a_un.a_val, 3);
	CHECK(!strcmp((char *)told[5].a_un.a_val, "/srv/server"));
	CHECK_EQ(told[5].a_un.a_val + sizeof("/srv/server"), (uintptr_t)word + n);
	CHECK_EQ(told[6].a_type, AT_NULL);
	free(word);
}

TAP_MAIN()

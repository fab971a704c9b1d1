/* links: worker-shim/launcher/elf */
#include "launcher/elf.h"
#include "tap.h"

#include <elf.h>
#include <stdint.h>

/* A whole small program file, built by hand: headers, then what they point to. */
struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4];
	Elf64_Dyn dyn[4];
	Elf64_Nhdr note;
	char note_name[8];
	char interp[32];
	char strings[64];
	Elf64_Shdr sh[3];
	char section_names[40];
};

static struct image image(void)
{
	struct image m = { .eh = { .e_machine = EM_X86_64,
				   .e_phoff = offsetof(struct image, ph),
				   .e_phentsize = sizeof(Elf64_Phdr),
				   .e_phnum = 4,
				   .e_shoff = offsetof(struct image, sh),
				   .e_shentsize = sizeof(Elf64_Shdr),
				   .e_shnum = 3,
				   .e_shstrndx = 1 },
			   .interp = "/lib64/ld.so",
			   .strings = "\0libc.so.6\0libasan.so.8",
			   .section_names = "\0.text\0.go.buildinfo" };

	memcpy(m.eh.e_ident, ELFMAG, SELFMAG);
	m.eh.e_ident[EI_CLASS] = ELFCLASS64;
	m.eh.e_ident[EI_DATA] =
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	m.ph[0] = (Elf64_Phdr){ .p_type = PT_INTERP,
				.p_offset = offsetof(struct image, interp),
				.p_filesz = sizeof(m.interp) };
	m.ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_vaddr = 0x1000, .p_filesz = sizeof(m) };
	m.ph[2] = (Elf64_Phdr){ .p_type = PT_DYNAMIC,
				.p_offset = offsetof(struct image, dyn),
				.p_filesz = sizeof(m.dyn) };
	m.dyn[0].d_tag = DT_NEEDED;
	m.dyn[0].d_un.d_val = 1;
	m.dyn[1].d_tag = DT_STRTAB;
	m.dyn[1].d_un.d_ptr = 0x1000 + offsetof(struct image, strings);
	m.sh[1] = (Elf64_Shdr){ .sh_name = 1,
				.sh_offset = offsetof(struct image, section_names),
				.sh_size = sizeof(m.section_names) };
	return m;
}

TEST(a_dynamic_program_names_its_interpreter)
{
	struct image m = image();
	struct elf_info info;

	CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
	CHECK_STR(info.interp, "/lib64/ld.so");
	CHECK_EQ(info.bits, 64);
	CHECK_EQ(info.machine, EM_X86_64);
	CHECK(!info.go);
	CHECK_STR(info.first, "");
}

TEST(without_an_interpreter_it_is_static)
{
	struct image m = image();
	struct elf_info info;

	m.ph[0].p_type = PT_NULL;
	CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
	CHECK_STR(info.interp, "");
}

TEST(go_is_known_by_its_section_or_its_note)
{
	struct image m = image();
	struct elf_info info;

	m.sh[2].sh_name = 7;
	CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
	CHECK(info.go);

	m = image();
	m.ph[3] = (Elf64_Phdr){ .p_type = PT_NOTE,
				.p_offset = offsetof(struct image, note),
				.p_filesz = sizeof(m.note) + 4 };
	m.note.n_namesz = 4;
	memcpy(m.note_name, "Go\0\0", 4);
	CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
	CHECK(info.go);
	memcpy(m.note_name, "GNU", 4);
	CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
	CHECK(!info.go);
}

TEST(a_sanitizers_runtime_is_found_among_the_needed_libraries)
{
	struct image m = image();
	struct elf_info info;

	m.dyn[0].d_un.d_val = 11;
	CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
	CHECK_STR(info.first, "libasan.so.8");
}

/* As the dynamic linker would find out, of a whole table of names. */
TEST(what_never_listens_is_known_by_its_names)
{
	static const struct {
		const char *names; /* behind libc.so.6 */
		bool never;
	} cases[] = {
		{ "accept", true },   { "listen", false }, { "evlisten", false },
		{ "listener", true }, { "dlopen", false }, { "", true },
	};
	static const char *const executing[] = { "execvp", "execve", "posix_spawn", "popen",
						 "system" };
	struct elf_info info;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct image m = image();

		memcpy(m.strings, "\0libc.so.6\0", 11);
		memset(m.strings + 11, 0, sizeof(m.strings) - 11);
		strcpy(m.strings + 11, cases[i].names);
		m.dyn[2].d_tag = DT_STRSZ;
		m.dyn[2].d_un.d_val = sizeof(m.strings);
		CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
		CHECK_EQ(info.never_listens, cases[i].never);
		CHECK(info.never_executes);
		/* Another library may do it, and a table without a size is not known. */
		strcpy(m.strings + 1, "libuv.so");
		CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
		CHECK(!info.never_listens);
		strcpy(m.strings + 1, "libm.so.6");
		m.dyn[2].d_un.d_val = UINT64_MAX;
		CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
		m.dyn[2].d_tag = DT_NULL;
		CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
		CHECK(!info.never_listens && !info.never_executes);
		m.dyn[2].d_tag = DT_STRSZ;
		m.dyn[2].d_un.d_val = sizeof(m.strings);
		strcpy(m.strings + 11, executing[i % (sizeof(executing) / sizeof(executing[0]))]);
		CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
		CHECK(info.never_listens && !info.never_executes);
	}
}

TEST(another_class_or_byte_order_is_named_and_not_read_further)
{
	struct image m = image();
	struct elf_info info;

	m.eh.e_ident[EI_CLASS] = ELFCLASS32;
	CHECK_EQ(elf_parse(&m, 52, &info), ELF_GOOD);
	CHECK_EQ(info.bits, 32);
	m = image();
	m.eh.e_ident[EI_DATA] = (unsigned char)(3 - m.eh.e_ident[EI_DATA]);
	m.eh.e_phoff = ~0ull;
	CHECK_EQ(elf_parse(&m, sizeof(m), &info), ELF_GOOD);
	CHECK_STR(info.interp, "");
}

TEST(other_files_are_no_elf)
{
	struct elf_info info;

	CHECK_EQ(elf_parse("", 0, &info), ELF_NONE);
	CHECK_EQ(elf_parse("#!/bin/sh\n", 10, &info), ELF_NONE);
	CHECK_EQ(elf_parse("\x7f"
			   "EL",
			   3, &info),
		 ELF_NONE);
	CHECK_EQ(elf_parse(ELFMAG, 4, &info), ELF_BROKEN);
}

/* The buffer ends where the malloc'd block ends, so that a sanitizer build sees a byte too far. */
static enum elf_result parse_exact(const void *bytes, size_t len)
{
	struct elf_info info;
	void *copy = malloc(len ? len : 1);
	enum elf_result r;

	memcpy(copy, bytes, len);
	r = elf_parse(copy, len, &info);
	free(copy);
	return r;
}

TEST(every_truncation_is_survived)
{
	struct image m = image();

	for (size_t len = 0; len < sizeof(m); len++)
		(void)parse_exact(&m, len);
	CHECK_EQ(parse_exact(&m, sizeof(m.eh)), ELF_BROKEN);
	CHECK_EQ(parse_exact(&m, offsetof(struct image, interp) + 3), ELF_BROKEN);
}

TEST(hostile_numbers_are_survived)
{
	static const uint64_t values[] = { 0,
					   1,
					   0x7fff,
					   0xffff,
					   0x7fffffff,
					   0xffffffff,
					   0x7fffffffffffffff,
					   0xffffffffffffffff,
					   0xffffffffffffff00 };
	struct image m = image();

	for (size_t at = EI_NIDENT; at + 8 <= sizeof(m); at += 2) {
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			struct image bad = m;

			memcpy((char *)&bad + at, &values[v], 8);
			(void)parse_exact(&bad, sizeof(bad));
		}
	}
}

TEST(random_damage_is_survived)
{
	unsigned long long state = tap_seed();

	for (int i = 0; i < 20000; i++) {
		struct image bad = image();

		for (unsigned n = 1 + tap_random(&state, 8); n > 0; n--)
			((unsigned char *)&bad)[tap_random(&state, sizeof(bad))] =
				(unsigned char)tap_random(&state, 256);
		(void)parse_exact(&bad, tap_random(&state, sizeof(bad) + 1));
	}
}

TAP_MAIN()

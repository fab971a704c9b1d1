/* links: worker-shim/preload/launched */
#include "preload/environ.h"
#include "preload/launched.h"
#include "preload/real.h"
#include "tap.h"

#include <elf.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Without the library, its names are libc's. */
struct real real = { .syscall = syscall, .read = read, .close = close };
struct environ_kept environ_kept = { .launcher = "/usr/lib/broker/worker-shim" };

void real_init(void)
{
}

struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	Elf64_Nhdr note[2];
	char name[4];
};

/* A program with a linker; and notes that are none of Go's. */
static struct file file(void)
{
	struct file f = { .eh = { .e_ident = ELFMAG,
				  .e_type = ET_DYN,
				  .e_phoff = offsetof(struct file, ph),
				  .e_phentsize = sizeof(Elf64_Phdr),
				  .e_phnum = 2 },
			  .note = { { .n_namesz = 0 }, { .n_namesz = 4 } },
			  .name = "GNU" };

	f.eh.e_ident[EI_CLASS] = ELFCLASS64;
	f.ph[0].p_type = PT_INTERP;
	f.ph[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
				.p_offset = offsetof(struct file, note),
				.p_filesz = sizeof(f.note) + sizeof(f.name) };
	return f;
}

static char word[] = "x", *const alone[] = { word, NULL }, *const nothing[] = { NULL };

/* What is to be done with a file of @n bytes that are @bytes. */
static const char *option_of(const void *bytes, size_t n)
{
	const char *option;
	char path[64];
	int fd = memfd_create("program", 0);

	CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n && fchmod(fd, 0755) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	option = launched_option(path, alone, nothing);
	close(fd);
	return option;
}

static const char *option(const struct file *f)
{
	return option_of(f, sizeof(*f));
}

#define CHECK_NONE(option) CHECK(!(option))

TEST(what_makes_its_calls_itself_is_launched)
{
	struct file f = file();

	CHECK_NONE(option(&f));
	memcpy(f.name, "Go\0", 4);
	CHECK_STR(option(&f), "--try-execute");
	f = file();
	f.ph[0].p_type = PT_NULL;
	CHECK_STR(option(&f), "--try-execute");
	/* Only where this process traps calls can one at a fixed address do harm. */
	f.eh.e_type = ET_EXEC;
	CHECK_STR(option(&f), "--try-execute");
	environ_kept.traps = true;
	CHECK_STR(option(&f), "--execute");
	environ_kept.traps = false;
}

TEST(what_is_cut_off_is_left_to_the_kernel)
{
	struct file f = file();

	f.ph[0].p_type = PT_NULL;
	for (size_t n = 0; n < offsetof(struct file, note); n++)
		CHECK_NONE(option_of(&f, n));
	/* Its headers are all there. */
	for (size_t n = offsetof(struct file, note); n <= sizeof(f); n++)
		CHECK_STR(option_of(&f, n), "--try-execute");
	memcpy(f.name, "Go\0", 4);
	f.ph[0].p_type = PT_INTERP;
	for (size_t n = 0; n < offsetof(struct file, name) + sizeof(f.name); n++)
		CHECK_NONE(option_of(&f, n));
}

TEST(lies_are_left_to_the_kernel)
{
	static const struct {
		size_t at, n;
		uint64_t value;
	} lies[] = {
		{ offsetof(struct file, eh.e_phoff), 8, UINT64_MAX },
		{ offsetof(struct file, eh.e_phoff), 8, UINT64_MAX - sizeof(Elf64_Phdr) + 1 },
		{ offsetof(struct file, eh.e_phoff), 8, sizeof(struct file) - 8 },
		{ offsetof(struct file, eh.e_phoff), 8, 4096 },
		{ offsetof(struct file, eh.e_phnum), 2, 1 },
		{ offsetof(struct file, eh.e_phentsize), 2, 0 },
		{ offsetof(struct file, eh.e_ident[EI_CLASS]), 1, ELFCLASS32 },
		{ 0, 1, 0 },
		{ offsetof(struct file, ph[1].p_offset), 8, UINT64_MAX },
		{ offsetof(struct file, ph[1].p_offset), 8, UINT64_MAX - 7 },
		{ offsetof(struct file, ph[1].p_offset), 8, sizeof(struct file) - 1 },
		{ offsetof(struct file, ph[1].p_filesz), 8, UINT64_MAX },
		{ offsetof(struct file, ph[1].p_filesz), 8, 0 },
		{ offsetof(struct file, note[0].n_namesz), 4, UINT32_MAX },
		{ offsetof(struct file, note[0].n_descsz), 4, UINT32_MAX },
	};

	struct file static_one = file();

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct file f = file();

		memcpy(f.name, "Go\0", 4);
		CHECK_STR(option(&f), "--try-execute");
		memcpy((char *)&f + lies[i].at, &lies[i].value, lies[i].n);
		CHECK_NONE(option(&f));
	}
	/* There need be no note, but all headers. */
	static_one.ph[0].p_type = PT_NULL;
	static_one.eh.e_phnum = 0xffff;
	CHECK_NONE(option(&static_one));
}

TEST(a_page_is_read_and_no_more)
{
	static char bytes[3 * 4096];
	struct file f = file();

	f.ph[0].p_type = PT_NULL;
	memcpy(bytes, &f, sizeof(f));
	CHECK_STR(option_of(bytes, sizeof(bytes)), "--try-execute");
	f.eh.e_phoff = 4096 - 2 * sizeof(Elf64_Phdr);
	memcpy(bytes, &f, sizeof(f));
	memcpy(bytes + f.eh.e_phoff, f.ph, sizeof(f.ph));
	CHECK_STR(option_of(bytes, sizeof(bytes)), "--try-execute");
	f.eh.e_phoff++;
	memcpy(bytes, &f, sizeof(f));
	CHECK_NONE(option_of(bytes, sizeof(bytes)));
}

TEST(scripts_are_followed_and_circles_left)
{
	char text[80], path[64], long_line[5000] = "#!";
	int fd = memfd_create("program", 0), script = memfd_create("script", 0);
	struct file f = file();

	f.ph[0].p_type = PT_NULL;
	CHECK(write(fd, &f, sizeof(f)) == sizeof(f) && fchmod(script, 0755) == 0);
	snprintf(text, sizeof(text), "#! \t/proc/self/fd/%d -x y\n", fd);
	CHECK_STR(option_of(text, strlen(text)), "--try-execute");
	text[strcspn(text, "-")] = '\0';
	CHECK_STR(option_of(text, strlen(text)), "--try-execute");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", script);
	snprintf(text, sizeof(text), "#!%s", path);
	CHECK(write(script, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK_NONE(launched_option(path, alone, nothing));
	CHECK_NONE(option_of("#!", 2));
	CHECK_NONE(option_of("#", 1));
	CHECK_NONE(option_of("#!\n", 3));
	CHECK_NONE(option_of("#!\0/", 4));
	memset(long_line + 2, 'a', sizeof(long_line) - 2);
	CHECK_NONE(option_of(long_line, sizeof(long_line)));
	memset(long_line + 2, ' ', sizeof(long_line) - 2);
	CHECK_NONE(option_of(long_line, sizeof(long_line)));
	close(fd);
	close(script);
}

TEST(what_is_no_file_keeps_nobody_waiting)
{
	int ends[2];
	char path[64];

	CHECK(pipe(ends) == 0 && fchmod(ends[0], 0755) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	CHECK_NONE(launched_option(path, alone, nothing));
	CHECK_NONE(launched_option("/proc/self", alone, nothing));
	CHECK_NONE(launched_option("/dev/null", alone, nothing));
	CHECK_NONE(launched_option("/nowhere/at/all", alone, nothing));
	CHECK_NONE(launched_option("", alone, nothing));
	CHECK_NONE(launched_option(NULL, alone, nothing));
	close(ends[0]);
	close(ends[1]);
}

TEST(its_words_are_those_of_the_program_behind_the_launchers)
{
	char one[] = "server", two[] = "-v", *const words[] = { one, two, NULL };
	void *room = malloc(launched_room(words));
	char **out = launched_words("--execute", "/srv/server", words, room);

	CHECK_STR(out[0], "worker-shim");
	CHECK_STR(out[1], "--execute");
	CHECK_STR(out[2], "/srv/server");
	CHECK_STR(out[3], "--");
	CHECK(out[4] == one && out[5] == two && !out[6]);
	CHECK_EQ(launched_room(words), 7 * sizeof(char *));
	free(room);
}

TEST(too_many_words_are_left_to_the_kernel)
{
	static char *many[2000];
	struct file f = file();
	char path[64];
	int fd = memfd_create("program", 0);

	f.ph[0].p_type = PT_NULL;
	CHECK(write(fd, &f, sizeof(f)) == sizeof(f) && fchmod(fd, 0755) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < 1024; i++)
		many[i] = word;
	CHECK_STR(launched_option(path, many, nothing), "--try-execute");
	many[1024] = word;
	CHECK_NONE(launched_option(path, many, nothing));
	CHECK_NONE(launched_option(path, nothing, nothing));
	CHECK_NONE(launched_option(path, alone,
				   (char *const[]){ (char[]){ "VALGRIND_LAUNCHER=x" }, NULL }));
	close(fd);
}

TAP_MAIN()

#include "load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "blob.h"
#include "handoff_addr.h"
#include "handoff_rights.h"
#include "image.h"
#include "text.h"
#include "trap/arch.h"

#define PRIVATE_ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

extern const Elf64_Ehdr __ehdr_start; /* the linker's */

/* A system call that no library hears of which is preloaded here. */
#define RAW(name, ...) arch_call(SYS_##name, (const long[6]){ __VA_ARGS__ })

/* --- the program's memory -------------------------------------------------------------------- */

static uint64_t page_up(uint64_t n)
{
	return image_up(n, (uint64_t)getpagesize());
}

static bool map(uint64_t at, uint64_t n, int protection, int flags, int fd, uint64_t offset)
{
	return mmap((void *)at, n, protection, MAP_FIXED | flags, fd, (off_t)offset) != MAP_FAILED;
}

static bool map_segment(int fd, const struct image_segment *s, uint64_t moved)
{
	uint64_t at = s->at + moved, from = at + s->n_file, end = at + s->n, pages = page_up(from);

	if (s->n_file && !map(at, s->n_file, s->protection, MAP_PRIVATE, fd, s->offset))
		return false;
	if (end > from && pages > from && (s->protection & PROT_WRITE))
		memset((void *)from, 0, pages - from);
	return end <= pages || map(pages, end - pages, s->protection, PRIVATE_ANONYMOUS, -1, 0);
}

/* At its own place, or at @hint if that is free. False, with errno. */
static bool map_image(int fd, const struct image *image, uint64_t hint, uint64_t *ret_moved)
{
	uint64_t n = image->to - image->from, at = image->from;
	uint64_t more = image->fixed ? 0 : image->align - page_up(1), room;
	void *found =
		mmap((void *)(image->fixed ? at : hint), n + more, PROT_NONE,
		     PRIVATE_ANONYMOUS | MAP_NORESERVE | (image->fixed ? MAP_FIXED_NOREPLACE : 0),
		     -1, 0);

	if (found == MAP_FAILED)
		return false;
	room = (uintptr_t)found;
	if (!image->fixed)
		at += image_up(room - at, image->align);
	if (at > room)
		(void)munmap(found, at - room);
	if (room + more > at)
		(void)munmap((void *)(at + n), room + more - at);
	*ret_moved = at - image->from;
	for (size_t i = 0; i < image->n; i++)
		if (!map_segment(fd, &image->segments[i], *ret_moved))
			return false;
	return true;
}

static bool load_file(const char *path, uint64_t hint, struct image *ret, uint64_t *ret_moved)
{
	__attribute__((cleanup(handoff_close_fd))) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *bytes;
	bool fits;

	if (fd < 0 || fstat(fd, &st) < 0)
		return reason_refuse("%s: %s", path, strerror(errno));
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return reason_refuse("%s: %s", path, strerror(errno));
	fits = image_plan(bytes, (size_t)st.st_size, page_up(1), ret);
	(void)munmap(bytes, (size_t)st.st_size);
	if (!fits)
		return reason_refuse("%s is a damaged or incomplete program (ELF) file: build or "
				     "copy it again",
				     path);
	if (map_image(fd, ret, hint, ret_moved))
		return true;
	return errno == EEXIST
		       ? reason_refuse("%s cannot be loaded, as worker-shim itself is at "
				       "its address: build worker-shim without STATIC=1, or "
				       "allow ptrace(2)",
				       path)
		       : reason_refuse("%s cannot be loaded: %s", path, strerror(errno));
}

/* --- what execve(2) would not leave ------------------------------------------------------------
 */

static void find_old(struct trap_params *ret)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char *line = NULL;
	size_t size = 0;

	while (maps && getline(&line, &size, maps) > 0)
		text_add_old(line, ret);
	free(line);
	if (maps)
		(void)fclose(maps);
}

/* All but @kept, which the blob closes. */
static void close_on_exec(int kept)
{
	DIR *fds = opendir("/proc/self/fd");
	struct dirent *entry;

	while (fds && (entry = readdir(fds))) {
		int fd = atoi(entry->d_name);

		if (fd != kept && fd != dirfd(fds) && *entry->d_name != '.' &&
		    RAW(fcntl, fd, F_GETFD) == FD_CLOEXEC)
			(void)RAW(close, fd);
	}
	if (fds)
		(void)closedir(fds);
}

static void reset_signals(void)
{
	const stack_t none = { .ss_flags = SS_DISABLE };
	struct sigaction action;

	(void)sigaltstack(&none, NULL);
	for (int sig = 1; sig < NSIG; sig++)
		if (sigaction(sig, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			(void)signal(sig, SIG_DFL);
}

/* What the kernel writes to by itself when a thread runs or ends. */
static bool leave_kernel(void)
{
	/* glibc's */
	extern const ptrdiff_t __rseq_offset __attribute__((weak));
	const char *area = &__rseq_offset ? arch_thread() + __rseq_offset : NULL;

	(void)RAW(set_robust_list, 0, 3 * sizeof(void *));
	(void)RAW(set_tid_address, 0);
	if (!area || *(const int32_t *)(area + 4) < 0 /* it has not been registered */)
		return true;
	/* The kernel wants to be told how long it is; so nobody else can say what it is not. */
	for (long n = 32; n <= 1024; n += 4)
		if (RAW(rseq, (long)area, n, 1 /* RSEQ_FLAG_UNREGISTER */, ARCH_RSEQ) == 0)
			return true;
	return reason_refuse("restartable sequences of libc (rseq) cannot be ended: allow "
			     "ptrace(2)");
}

/* --- the beginning ------------------------------------------------------------------------------
 */

/* True: it is all there. */
static bool map_blob(struct trap_params *params, const char *path, uint64_t *ret)
{
	__attribute__((cleanup(handoff_close_fd))) int fd =
		open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	const struct trap_head *head = blob_head();
	void *at;

	if (!blob_name_launcher(params))
		return false;
	at = mmap(NULL, head->end + PATH_MAX, PROT_READ | PROT_WRITE,
		  PRIVATE_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return reason_refuse("no memory for the trap back end: %s", strerror(errno));
	*ret = (uintptr_t)at;
	params->program = *ret + head->end;
	strcpy((char *)params->program, path);
	memcpy((char *)at + head->text_end, blob_image(*ret, params) + head->text_end,
	       head->data_end - head->text_end);
	return map(*ret, head->text_end, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, blob_offset()) ||
	       reason_refuse("worker-shim cannot be mapped: %s", strerror(errno));
}

/* As the kernel has them of this program, to be changed. False: they are not to be had. */
static bool read_auxv(Elf64_auxv_t ret[64])
{
	__attribute__((cleanup(handoff_close_fd))) int fd =
		open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);

	return read(fd, ret, 63 * sizeof(*ret)) > 0 ||
	       reason_refuse("/proc/self/auxv: %s", strerror(errno));
}

/* Those of the last interpreter, if @program is a script; NULL: no memory. */
static char **arguments(const struct program *program, char **argv)
{
	int n_scripts = program->n_scripts;
	size_t n = 0;
	char **words, **word;

	while (argv[n])
		n++;
	words = word = calloc(n + 2 * PROGRAM_SCRIPTS + 1, sizeof(*words));
	for (int i = n_scripts; words && i-- > 0;) {
		*word++ = (char *)(uintptr_t)(i + 1 < n_scripts ? program->scripts[i + 1]
								: program->binary);
		if (*program->arguments[i])
			*word++ = (char *)(uintptr_t)program->arguments[i];
	}
	if (words && n_scripts) {
		*word++ = (char *)(uintptr_t)program->path;
		argv++;
		n--;
	}
	for (size_t i = 0; words && i < n; i++)
		word[i] = argv[i];
	return words;
}

/* What ps(1) tells of it, if this kernel lets a process say so. */
static void describe(const char *path, const struct image *image, uint64_t moved,
		     const struct image_texts *texts, uint64_t stack, Elf64_auxv_t *auxv)
{
	const char *slash = strrchr(path, '/');
	struct prctl_mm_map mm = {
		.start_code = image->from + moved,
		.end_code = image->to + moved,
		.start_data = image->from + moved,
		.end_data = image->to + moved,
		.start_stack = stack,
		.arg_start = texts->arguments,
		.arg_end = texts->arguments_end,
		.env_start = texts->environment,
		.env_end = texts->environment_end,
		.auxv = (void *)auxv,
		.exe_fd = (uint32_t)-1,
	};

	while (auxv[mm.auxv_size++].a_type != AT_NULL)
		continue;
	mm.auxv_size *= (uint32_t)sizeof(*auxv);
	mm.start_brk = mm.brk = (uint64_t)RAW(brk, 0);
	(void)prctl(PR_SET_MM, PR_SET_MM_MAP, &mm, sizeof(mm), 0);
	(void)prctl(PR_SET_NAME, slash ? slash + 1 : path);
}

static bool add_text(const struct image *image, uint64_t moved, struct trap_params *ret)
{
	for (size_t i = 0; i < image->n; i++) {
		const struct image_segment *s = &image->segments[i];

		if ((s->protection & PROT_EXEC) &&
		    !text_add_range(s->at + moved, page_up(s->at + moved + s->n), ret))
			return reason_refuse("its text is in too many pieces");
	}
	return true;
}

/* On a stack of its own, at the end of this one. */
static bool enter(const struct program *program, char **argv, const struct image *image,
		  uint64_t moved, struct trap_params *params, Elf64_auxv_t *auxv)
{
	size_t n = image_stack_size(argv, environ, auxv, program->path);
	void *stack = __builtin_alloca_with_align(n, 128);
	char path[PATH_MAX];
	struct image_texts texts;
	uint64_t blob = 0;
	long r;

	image_stack(stack, argv, environ, auxv, program->path, &texts);
	params->stack = (uintptr_t)stack;
	if (!map_blob(params, realpath(program->binary, path) ? path : program->binary, &blob) ||
	    !leave_kernel())
		return false;
	if (image->runs_stack)
		(void)mprotect((void *)(params->stack & ~(page_up(1) - 1)), page_up(1),
			       PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN);
	close_on_exec((int)params->status_fd);
	reset_signals();
	describe(program->path, image, moved, &texts, params->stack, auxv);
	r = ((long (*)(void))(blob + blob_head()->start))();
	return reason_refuse("the kernel refuses the filter of its calls (seccomp): %s",
			     strerror((int)-r));
}

bool load_program(const struct program *program, char **argv, int status_fd)
{
	struct trap_params params = { .status_fd = (uint64_t)status_fd,
				      .small_stacks = program->elf.go };
	uint64_t moved = 0, linker_moved = 0;
	/* Where the kernel puts programs that go anywhere, of which this is one. */
	uint64_t hint = (uintptr_t)&__ehdr_start - (1ull << 30);
	Elf64_auxv_t auxv[64] = { { .a_type = AT_NULL } };
	struct image image = { .n = 0 }, linker = { .n = 0 };

	find_old(&params);
	if (!read_auxv(auxv) || !load_file(program->binary, hint, &image, &moved) ||
	    !add_text(&image, moved, &params))
		return false;
	params.entry = image.entry + moved;
	if (*program->elf.interp) {
		/* It asks for the program's file, to find libraries beside that. */
		if (!load_file(program->elf.interp, 0, &linker, &linker_moved) ||
		    !add_text(&linker, linker_moved, &params))
			return false;
		params.entry = linker.entry + linker_moved;
	}
	image_describe(auxv, &image, moved, *program->elf.interp ? linker.from + linker_moved : 0);
	argv = arguments(program, argv);
	return argv ? enter(program, argv, &image, moved, &params, auxv)
		    : reason_refuse("no memory for the arguments");
}

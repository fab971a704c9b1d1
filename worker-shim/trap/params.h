/*
 * params.h - the blob, as the launcher finds it in its own data and puts it into a program.
 *
 * It is the preload library once more, without a dynamic linker and without libc: the same sources,
 * on top of libc.c, which makes the system calls by itself. What the library hears through its
 * hooks the blob hears through SIGSYS: a seccomp filter has the kernel send that instead of making
 * the call, if the call comes from the program's own text (handler.c).
 *
 *	0           text_end         data_end        end
 *	| text, read-only | variables | zero at first |
 */
#pragma once

#include <stdint.h>

/* At the beginning of the image. Offsets; blob.ld writes them. */
struct trap_head {
	uint64_t text_end, data_end, end;
	uint64_t rela, rela_end; /* what depends on the address: Elf64_Rela, all relative */
	uint64_t start;		 /* jumped to, before the program's first instruction */
	uint64_t params;	 /* struct trap_params, to be filled */
};

struct trap_range {
	uint64_t from, to;
};

#define TRAP_RANGES 16

struct trap_params {
	uint64_t stack; /* as execve(2) leaves it: arguments, environment */
	/*
	 * 0: the program was executed and traced to its beginning. A trap ends what is jumped to.
	 * Else the launcher has loaded it, and calls that, which goes on with the program here, or
	 * returns -errno: see launcher/load.h.
	 */
	uint64_t entry;
	uint64_t program;   /* its path, for a program that was loaded */
	uint64_t status_fd; /* of the launcher, which does not go on with it, nor do its mappings */
	uint64_t n_old;
	struct trap_range old[TRAP_RANGES];
	uint64_t n_ranges;
	/*
	 * Whether its code runs on stacks that are too small for a signal, as that of Go does,
	 * which has signal stacks for all threads. Where those are small, the handler does without.
	 */
	uint64_t small_stacks;
	char launcher[256];		     /* executes others; "": nothing does */
	struct trap_range text[TRAP_RANGES]; /* of the program; none crosses a multiple of 4 GiB */
};

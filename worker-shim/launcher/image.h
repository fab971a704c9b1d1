/*
 * image.h - what execve(2) makes of a program's file and of its arguments. Pure.
 */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_SEGMENTS 32

struct image_segment {
	uint64_t at, offset; /* in memory and in the file, both at the beginning of a page */
	uint64_t n_file;     /* bytes that come from the file */
	uint64_t n;	     /* bytes in memory: the rest is zero */
	int protection;	     /* of mmap(2) */
};

/* Addresses are those in the file; a program that is not fixed is moved as a whole. */
struct image {
	bool fixed;
	bool runs_stack;   /* code on its stack */
	uint64_t from, to; /* whole pages */
	uint64_t align;	   /* a multiple of the page */
	uint64_t entry;
	uint64_t headers; /* of the program, in memory; 0: they are not there */
	uint64_t n_headers;
	size_t n;
	struct image_segment segments[IMAGE_SEGMENTS];
};

/* @n, or the next multiple of @page, a power of two. */
uint64_t image_up(uint64_t n, uint64_t page);

/* Whether the @len bytes at @file, all of it, are a program for this machine: where it goes. */
bool image_plan(const void *file, size_t len, uint64_t page, struct image *ret);

/* Has @auxv, up to AT_NULL, tell of @program, moved by @moved, and its linker's place; 0: none. */
void image_describe(Elf64_auxv_t *auxv, const struct image *program, uint64_t moved,
		    uint64_t linker);

/* Where the texts are on a stack. */
struct image_texts {
	uint64_t arguments, arguments_end, environment, environment_end;
};

/* The bytes that image_stack() needs, a multiple of 16. */
size_t image_stack_size(char *const argv[], char *const envp[], const Elf64_auxv_t *auxv,
			const char *path);

/* Makes the stack of a program that was executed as @path at @room, a multiple of 16. */
void image_stack(void *room, char *const argv[], char *const envp[], const Elf64_auxv_t *auxv,
		 const char *path, struct image_texts *ret);

/*
 * elf.h - what a program file says about how it is run. Pure; the file may hold anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elf_result {
	ELF_GOOD,
	ELF_NONE,   /* another kind of file */
	ELF_BROKEN, /* begins as ELF, but what it points to is not there */
};

struct elf_info {
	uint8_t bits;	  /* 32 or 64; of a 32-bit file nothing else but the machine is read */
	uint8_t endian;	  /* ELFDATA2LSB, ELFDATA2MSB; of a foreign one nothing else is read */
	uint16_t machine; /* EM_X86_64, ... */
	bool whole;	  /* for this machine, and read to its end: what follows is known */
	bool go;	  /* built by the Go toolchain, with or without cgo */
	bool raw;	  /* makes its system calls itself: it is static, or Go */
	char interp[256]; /* path of the dynamic linker, which reads LD_PRELOAD; "": it is static */
	bool io_uring;	  /* linked to liburing: it may accept by a way that cannot be brokered */
	bool never_listens;  /* nor do its libraries, and it loads no others: it serves no port */
	bool never_executes; /* another program */
	char first[64]; /* a library that must be loaded before any other: a sanitizer's runtime */
};

/* Reads the @len bytes at @buf, a whole file. *@ret is defined with ELF_GOOD only. */
enum elf_result elf_parse(const void *buf, size_t len, struct elf_info *ret);

/*
 * tap.h - the unit test runner: one process per test, TAP on standard output.
 *
 *	#include "tap.h"
 *	TEST(round_robin_skips_a_full_worker) { CHECK_EQ(balancer_pick(&b), 1); }
 *	TAP_MAIN()
 *
 * A test runs in a fork of its own under alarm(30), so a crash or a hang costs
 * that test alone. It fails when it leaves a descriptor open. A test that needs
 * what the machine has not calls SKIP("why"): the reason is shown, never hidden.
 *
 * Which objects a test program links is said in it, in a comment that the
 * Makefile reads:  links: broker/policy/balancer broker/base/strbuf
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tap_test {
	const char *name;
	void (*run)(void);
	struct tap_test *next;
};

void tap_register(struct tap_test *test);
int tap_main(int argc, char **argv);
void tap_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void tap_skip(const char *why) __attribute__((noreturn));

#define TEST(fn)                                                                                   \
	static void fn(void);                                                                      \
	__attribute__((constructor)) static void tap_register_##fn(void)                           \
	{                                                                                          \
		static struct tap_test test = { #fn, fn, NULL };                                   \
		tap_register(&test);                                                               \
	}                                                                                          \
	static void fn(void)

#define TAP_MAIN()                                                                                 \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return tap_main(argc, argv);                                                       \
	}

#define SKIP(why) tap_skip(why)

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			tap_fail(__FILE__, __LINE__, "%s is false", #cond);                        \
	} while (0)

#define CHECK_EQ(a, b)                                                                             \
	do {                                                                                       \
		long long a_ = (long long)(a), b_ = (long long)(b);                                \
		if (a_ != b_)                                                                      \
			tap_fail(__FILE__, __LINE__, "%s == %lld, want %s == %lld", #a, a_, #b,    \
				 b_);                                                              \
	} while (0)

#define CHECK_STR(a, b)                                                                            \
	do {                                                                                       \
		const char *a_ = (a), *b_ = (b);                                                   \
		if (!a_ || !b_ || strcmp(a_, b_) != 0)                                             \
			tap_fail(__FILE__, __LINE__, "%s is\n  \"%s\", want\n  \"%s\"", #a,        \
				 a_ ? a_ : "(null)", b_ ? b_ : "(null)");                          \
	} while (0)

#define CHECK_CONTAINS(text, part)                                                                 \
	do {                                                                                       \
		const char *t_ = (text), *p_ = (part);                                             \
		if (!t_ || !strstr(t_, p_))                                                        \
			tap_fail(__FILE__, __LINE__,                                               \
				 "%s is\n  \"%s\", want it to contain\n  \"%s\"", #text,           \
				 t_ ? t_ : "(null)", p_);                                          \
	} while (0)

/* A seeded generator for property tests: the seed is printed on failure (TAP_SEED sets it). */
unsigned long long tap_seed(void);
unsigned tap_random(unsigned long long *state, unsigned below);

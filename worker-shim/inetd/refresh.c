#include "refresh.h"

#include "preload/hooks.h"
#include "shared.h"
#include "variables.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static bool is_seeded; /* libc: the program does not count on the numbers that it has without */

#define SEEDING(name, type)                                                                        \
	HOOK(void, name, (type seed))                                                              \
	void hook_##name(type seed)                                                                \
	{                                                                                          \
		static void (*real)(type);                                                         \
		real = real ? real : (void (*)(type))dlsym(RTLD_NEXT, #name);                      \
		is_seeded = true;                                                                  \
		real(seed);                                                                        \
	}

SEEDING(srand, unsigned)
SEEDING(srandom, unsigned)
SEEDING(srand48, long)

static void seed_libc(void)
{
	unsigned seed;

	if (!is_seeded || getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return;
	srand(seed);
	srandom(seed);
	srand48((long)seed);
}

/* Each has a list of names and values, which is one in both languages; empty: it is gone. */
#define PERL                                                                                       \
	"local ($@, $_); srand; my %%v = (%s); for (keys %%v) { next unless exists $ENV{$_};"      \
	"if (length $v{$_}) { $ENV{$_} = $v{$_} } else { delete $ENV{$_} } }"
#define PYTHON                                                                                     \
	"exec(\"\"\"import os, sys\n"                                                              \
	"v = [%s]\n"                                                                               \
	"e = os.environ\n"                                                                         \
	"e.update(x for x in zip(v[::2], v[1::2]) if x[0] in e)\n"                                 \
	"[e.pop(n) for n in v[::2] if not e.get(n, n)]\n"                                          \
	"if 'random' in sys.modules: sys.modules['random'].seed()\n\"\"\", {})"

static void add(char *list, size_t size, const char *name)
{
	const char *value = getenv(name);
	size_t n = strlen(list);

	value = value ? value : "";
	if (!value[strcspn(value, "\'\\")])
		(void)snprintf(list + n, size - n, "'%s','%s',", name, value);
}

static void tell_perl(const char *list)
{
	char code[2048];
	const pthread_key_t *key = dlsym(RTLD_DEFAULT, "PL_thr_key");
	void (*enter)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "Perl_push_scope");
	void (*leave)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "Perl_pop_scope");
	void *(*eval)(void *, const char *, int) =
		(void *(*)(void *, const char *, int))dlsym(RTLD_DEFAULT, "Perl_eval_pv");
	void *perl = key && enter && leave && eval ? pthread_getspecific(*key) : NULL;

	if (!perl)
		return;
	(void)snprintf(code, sizeof(code), PERL, list);
	enter(perl); /* eval leaves the current operation changed: perlcall(1) */
	(void)eval(perl, code, 0);
	leave(perl);
}

static void tell_python(const char *list)
{
	char code[2048];
	int (*is_there)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "Py_IsInitialized");
	int (*lock)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
	void (*unlock)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "PyGILState_Release");
	int (*run)(const char *, void *) =
		(int (*)(const char *, void *))dlsym(RTLD_DEFAULT, "PyRun_SimpleStringFlags");
	int state;

	if (!is_there || !lock || !unlock || !run || !is_there())
		return;
	(void)snprintf(code, sizeof(code), PYTHON, list);
	state = lock();
	(void)run(code, NULL);
	unlock(state);
}

void refresh(void)
{
	char list[1024] = "";

	for (size_t i = 0; variables_name(i); i++)
		add(list, sizeof(list), variables_name(i));
	add(list, sizeof(list), "LD_PRELOAD");
	add(list, sizeof(list), PARK_VARIABLE);
	seed_libc();
	tell_perl(list);
	tell_python(list);
}

#include "refresh.h"

#include "shared.h"
#include "variables.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define IMPORT(type, name, ...)                                                                    \
	type (*name)(__VA_ARGS__) = (type(*)(__VA_ARGS__))dlsym(RTLD_DEFAULT, #name)

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
	IMPORT(void, Perl_push_scope, void *);
	IMPORT(void, Perl_pop_scope, void *);
	IMPORT(void *, Perl_eval_pv, void *, const char *, int);
	void *perl = key && Perl_push_scope && Perl_pop_scope && Perl_eval_pv
			     ? pthread_getspecific(*key)
			     : NULL;

	if (!perl)
		return;
	(void)snprintf(code, sizeof(code), PERL, list);
	Perl_push_scope(perl); /* eval leaves the current operation changed: perlcall(1) */
	(void)Perl_eval_pv(perl, code, 0);
	Perl_pop_scope(perl);
}

static void tell_python(const char *list)
{
	char code[2048];
	IMPORT(int, Py_IsInitialized, void);
	IMPORT(int, PyGILState_Ensure, void);
	IMPORT(void, PyGILState_Release, int);
	IMPORT(int, PyRun_SimpleStringFlags, const char *, void *);
	int state;

	if (!Py_IsInitialized || !PyGILState_Ensure || !PyGILState_Release ||
	    !PyRun_SimpleStringFlags || !Py_IsInitialized())
		return;
	(void)snprintf(code, sizeof(code), PYTHON, list);
	state = PyGILState_Ensure();
	(void)PyRun_SimpleStringFlags(code, NULL);
	PyGILState_Release(state);
}

void refresh(void)
{
	char list[1024] = "";

	for (size_t i = 0; variables_name(i); i++)
		add(list, sizeof(list), variables_name(i));
	add(list, sizeof(list), "LD_PRELOAD");
	add(list, sizeof(list), PARK_VARIABLE);
	tell_perl(list);
	tell_python(list);
}

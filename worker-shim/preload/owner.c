#include "owner.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic pid_t fallback;
static _Atomic pid_t *owner = &fallback; /* its pid; 0: a fork child that nobody has told yet */

static void set_owner(void)
{
	atomic_store(owner, getpid());
}

/*
 * fork() runs set_owner() in the child. A child made by clone() or _Fork() runs no handler;
 * there the kernel wipes the page, and the first to ask becomes the owner.
 *
 * pthread_atfork() is not called by name: glibc has it only as a static stub around
 * __register_atfork(), which musl lacks.
 */
void owner_init(void)
{
	typedef int glibc_atfork(void (*)(void), void (*)(void), void (*)(void), void *);
	typedef int posix_atfork(void (*)(void), void (*)(void), void (*)(void));
	glibc_atfork *glibc;
	posix_atfork *posix;
	void *page = mmap(NULL, sizeof(*owner), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (page != MAP_FAILED && madvise(page, sizeof(*owner), MADV_WIPEONFORK) == 0)
		owner = page;
	set_owner();

	*(void **)&glibc = dlsym(RTLD_DEFAULT, "__register_atfork");
	*(void **)&posix = dlsym(RTLD_DEFAULT, "pthread_atfork");
	if (glibc)
		(void)glibc(NULL, NULL, set_owner, NULL);
	else if (posix)
		(void)posix(NULL, NULL, set_owner);
}

pid_t owner_pid(void)
{
	if (!atomic_load(owner))
		set_owner();
	return atomic_load(owner);
}

bool owner_is_me(void)
{
	return owner_pid() == getpid();
}

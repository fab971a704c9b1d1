#include "real.h"

#include <dlfcn.h>

struct real real;

/*
 * dlsym() gives an object pointer; POSIX promises that it holds a function's
 * address, ISO C has no cast for it. Hence the store through void **.
 */
#define LOOK_UP(type, name, ...) *(void **)&real.name = dlsym(RTLD_NEXT, #name);

void real_init(void)
{
	_keep_errno_ int saved = errno;

	HOOKS(LOOK_UP)
}

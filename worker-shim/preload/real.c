#include "real.h"

#include <dlfcn.h>

struct real real;
enum handoff_backend real_backend = HANDOFF_BACKEND_PRELOAD;

/* An object pointer holds a function's address, says POSIX; ISO C has no cast: hence void **. */
#define LOOK_UP(type, name, ...) *(void **)&real.name = dlsym(RTLD_NEXT, #name);

void real_init(void)
{
	_keep_errno_ int saved = errno;

	HOOKS(LOOK_UP)
}

bool real_sees_connections(void)
{
	return true;
}

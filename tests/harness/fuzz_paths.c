/* broker/base/paths.c for fuzz targets, in place of it: its table is never emptied elsewhere. */
#include "base/paths.c"

#include "fuzz.h"

void fuzz_forget_paths(void)
{
	while (n_paths)
		free(paths[n_paths--]);
}

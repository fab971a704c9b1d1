/*
 * srv_wild PORT DEED: serves until SIGUSR1, and harms then the code that traps its calls, which is
 * in its own memory: unmap, text, data (both are overwritten).
 */
#include "app.h"

#include <sys/mman.h>

static unsigned long from, to; /* the text; the data is behind it */
static const char *deed;

static void find_code(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4352];

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "/worker-shim") && strstr(line, " r-xp "))
			(void)sscanf(line, "%lx-%lx", &from, &to);
	if (maps)
		(void)fclose(maps);
	if (!from)
		app_die("there is no such code");
}

static void harm(int sig)
{
	void *text = (void *)from;

	(void)sig;
	if (!strcmp(deed, "unmap"))
		(void)munmap(text, to - from);
	if (!strcmp(deed, "text") &&
	    mprotect(text, to - from, PROT_READ | PROT_WRITE | PROT_EXEC) == 0)
		memset(text, 0, to - from);
	if (!strcmp(deed, "data"))
		memset((void *)to, 0xff, 4096);
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = harm };
	int fd;

	deed = argc > 2 ? argv[2] : "";
	find_code();
	fd = app_listen(app_port(argc, argv, 1));
	if (sigaction(SIGUSR1, &action, NULL) < 0)
		app_die("sigaction");
	for (;;)
		app_serve(app_accept(fd));
}

#include "environ.h"

#include <dlfcn.h>
#include <stdlib.h>
#include "handoff_wire.h"

/* More than that is no environment but a mistake, and the stack of a thread may be small. */
#define ROOM_MAX (96 * 1024)

#define PRELOAD	 "LD_PRELOAD"
#define LAUNCHER "worker-shim"

struct environ_kept environ_kept;

void environ_keep(struct environ_kept *ret)
{
	static const char *const names[ENVIRON_VARIABLES] = {
		HANDOFF_ENV_TOKEN,   HANDOFF_ENV_RENDEZVOUS, HANDOFF_ENV_SERVICE,
		HANDOFF_ENV_SLOT,    HANDOFF_ENV_WORKER,     HANDOFF_ENV_GENERATION,
		HANDOFF_ENV_PRIVATE, HANDOFF_ENV_WRAPPER,    HANDOFF_ENV_STDERR,
		HANDOFF_ENV_SOCKETS, HANDOFF_ENV_UDP,	     PRELOAD,
	};
	char *at = ret->text, *slash;
	size_t n = 0;
	Dl_info self;

	if (!dladdr(ret, &self) || !self.dli_fname)
		return;
	ret->library = self.dli_fname;
	slash = strrchr(ret->library, '/');
	if (slash && strlen(ret->library) < sizeof(ret->text) / 2) {
		ret->launcher = at;
		at = stpcpy(mempcpy(at, ret->library, (size_t)(slash + 1 - ret->library)),
			    LAUNCHER) +
		     1;
	}
	for (size_t i = 0; i < ENVIRON_VARIABLES; i++) {
		const char *value = getenv(names[i]);
		size_t left = (size_t)(ret->text + sizeof(ret->text) - at);

		if (!value || strlen(names[i]) + strlen(value) + sizeof("=") > left)
			continue;
		ret->variables[n++] = at;
		at = stpcpy(stpcpy(stpcpy(at, names[i]), "="), value) + 1;
	}
}

/* Where @envp has the variable that @named begins with, "NAME" or "NAME=value", or where it ends.
 */
static size_t find(char *const envp[], const char *named)
{
	size_t i = 0, n = strcspn(named, "=");

	while (envp[i] && (strncmp(envp[i], named, n) != 0 || envp[i][n] != '='))
		i++;
	return i;
}

/* What LD_PRELOAD in @envp lacks the library; or NULL. */
static const char *foreign_preload(const struct environ_kept *kept, char *const envp[])
{
	const char *variable = envp[find(envp, PRELOAD)];

	return variable && !strstr(variable, kept->library) ? variable + sizeof(PRELOAD) : NULL;
}

static char *const nothing[] = { NULL };

size_t environ_room(const struct environ_kept *kept, char *const envp[])
{
	const char *token, *preload;
	size_t n = 0, n_missing = 0, room;

	if (!kept->variables[0])
		return 0;
	envp = envp ? envp : nothing;
	token = envp[find(envp, kept->variables[0])];
	if (token && strcmp(token, kept->variables[0]) != 0)
		return 0;
	while (envp[n])
		n++;
	for (size_t i = 0; kept->variables[i]; i++)
		n_missing += !envp[find(envp, kept->variables[i])];
	preload = foreign_preload(kept, envp);
	if (!n_missing && !preload)
		return 0;
	room = (n + n_missing + 1) * sizeof(char *);
	if (preload)
		room += sizeof(PRELOAD "=:") + strlen(kept->library) + strlen(preload);
	return room <= ROOM_MAX ? room : 0;
}

char **environ_restore(const struct environ_kept *kept, char *const envp[], void *room)
{
	char **out = room, *text;
	const char *preload;
	size_t n = 0;

	envp = envp ? envp : nothing;
	preload = foreign_preload(kept, envp);
	for (; envp[n]; n++)
		out[n] = envp[n];
	for (size_t i = 0; kept->variables[i]; i++)
		if (!envp[find(envp, kept->variables[i])])
			out[n++] = (char *)(uintptr_t)kept->variables[i];
	out[n] = NULL;
	if (preload) {
		text = (char *)(out + n + 1);
		out[find(envp, PRELOAD)] = text;
		text = stpcpy(stpcpy(stpcpy(text, PRELOAD "="), kept->library),
			      *preload ? ":" : "");
		strcpy(text, preload);
	}
	return out;
}

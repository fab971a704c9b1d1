#include "shim.h"

#include "adopt.h"
#include "handoff_name.h"
#include "nofile.h"
#include "owner.h"
#include "real.h"

#include <stdlib.h>
#include <string.h>

struct shim shim;

static uint32_t number_from(const char *name)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

void shim_read_environment(void)
{
	const char *path = getenv(HANDOFF_ENV_RENDEZVOUS);
	const char *token = getenv(HANDOFF_ENV_TOKEN);
	const char *service = getenv(HANDOFF_ENV_SERVICE);

	if (!path || !*path || strlen(path) >= sizeof(shim.rendezvous.sun_path))
		return;
	if (!token || strlen(token) != 2 * HANDOFF_TOKEN_SIZE ||
	    !handoff_hex_get(token, shim.token, HANDOFF_TOKEN_SIZE))
		return;
	shim.rendezvous.sun_family = AF_UNIX;
	strcpy(shim.rendezvous.sun_path, path);
	if (service && strlen(service) < sizeof(shim.service))
		strcpy(shim.service, service);
	shim.slot = number_from(HANDOFF_ENV_SLOT);
	shim.generation = number_from(HANDOFF_ENV_GENERATION);
	(void)ports_parse(getenv(HANDOFF_ENV_PRIVATE), &shim.private_ports);
	shim.active = true;
}

__attribute__((constructor)) static void start(void)
{
	int saved = errno;

	real_init();
	shim_read_environment();
	if (shim.active) {
		owner_init();
		nofile_refresh();
		adopt_inherited();
	}
	errno = saved;
}

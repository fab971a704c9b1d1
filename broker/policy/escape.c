#include "escape.h"

const char *const escape_texts[ESCAPE_N] = {
	[ESCAPE_UNREADABLE] = "why is not known, as /proc does not show this process to the broker",
	[ESCAPE_PRIVATE] = "the port is in private_ports",
	[ESCAPE_STATIC] =
		"it is static, so that no library can be loaded: use a dynamically linked "
		"build of it",
	[ESCAPE_PRIVILEGED] = "it gained privileges when it was executed (setuid, setgid, file "
			      "capabilities), and such programs ignore LD_PRELOAD: set user in the "
			      "service instead, or remove the mark",
	[ESCAPE_ROOT] = "its root directory was changed before it was executed (chroot), and the "
			"library is not there: let the app change it after it listens",
	[ESCAPE_DECLINED] = "it was started with an empty BROKER_TOKEN, to do without the library",
	[ESCAPE_USER] = "its user was changed by a program that drops the environment (su, sudo): "
			"set user in the service instead",
	[ESCAPE_CLEANED] = "its environment was cleaned: let what starts it pass on LD_PRELOAD and "
			   "the BROKER_ variables",
	[ESCAPE_IGNORED] =
		"LD_PRELOAD names the library, but it was not loaded: the program is for "
		"another architecture or libc, or its user may not read the library",
	[ESCAPE_PORT_0] = "the kernel chose the port, as the app asked for port 0: give it a port",
	[ESCAPE_RAW] =
		"it makes system calls of its own, which the library does not see: it cannot "
		"be a worker",
};

static enum escape without_library(const struct escape_facts *f)
{
	if (!f->dynamic)
		return ESCAPE_STATIC;
	if (f->privileged)
		return ESCAPE_PRIVILEGED;
	if (f->no_token)
		return ESCAPE_DECLINED;
	if (!f->preload)
		return f->other_user ? ESCAPE_USER : ESCAPE_CLEANED;
	return f->other_root ? ESCAPE_ROOT : ESCAPE_IGNORED;
}

enum escape escape_of(const struct escape_facts *f)
{
	if (f->private_port)
		return ESCAPE_PRIVATE;
	if (!f->readable)
		return ESCAPE_UNREADABLE;
	if (!f->library)
		return without_library(f);
	if (!f->token)
		return f->no_token ? ESCAPE_DECLINED : ESCAPE_CLEANED;
	return f->any_port ? ESCAPE_PORT_0 : ESCAPE_RAW;
}

#include "escape.h"

const char *escape_text(const struct escape_facts *f)
{
	bool cleaned = f->library ? !f->token : !f->preload;

	if (f->private_port)
		return "it is in private_ports";
	if (f->native)
		return "with mode = native a program says to the broker where it listens "
		       "(handoff(3)): one that opens sockets of its own needs mode = listen";
	if (f->unlisted)
		return "no listen line names it: write listen = and its whole path in the service, "
		       "and it is the broker's";
	if (!f->readable)
		return "why is not known, as /proc does not show this process to the broker";
	if (!f->library && !f->dynamic)
		return "it is static, and its calls are not trapped: worker-shim --check tells "
		       "whether they can be, and what starts it must pass on the BROKER_ variables";
	if (!f->library && f->privileged)
		return "it gained privileges when it was executed (setuid, setgid, file "
		       "capabilities), and such programs ignore LD_PRELOAD: set user in the "
		       "service instead, or remove the mark";
	if (f->no_token)
		return "it was started with an empty BROKER_TOKEN, to do without the library";
	if (cleaned && f->other_user && !f->library)
		return "its user was changed by a program that drops the environment (su, sudo): "
		       "set user in the service instead";
	if (cleaned)
		return "its environment was cleaned: let what starts it pass on LD_PRELOAD and the "
		       "BROKER_ variables";
	if (!f->library && f->other_root)
		return "its root directory was changed before it was executed (chroot), and the "
		       "library is not there: let the app change it after it listens";
	if (!f->library)
		return "LD_PRELOAD names the library, but it was not loaded: the program is for "
		       "another architecture or libc, or its user may not read the library";
	if (f->any_port)
		return "the kernel chose the port, as the app asked for port 0: give it a port";
	return "it makes system calls of its own, which the library does not see: it cannot be a "
	       "worker";
}

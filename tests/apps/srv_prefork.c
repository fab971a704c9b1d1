/* The parent listens and never accepts; three children share its socket. */
#include <sys/prctl.h>
#include <sys/wait.h>
#include "app.h"

#define CHILDREN 3

static void child(int listener, pid_t parent)
{
	/* Children that outlive their parent would go on serving without a supervisor. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	app_pid = getpid();
	for (;;)
		app_serve(app_accept(listener));
}

int main(int argc, char **argv)
{
	int listener = app_listen(app_port(argc, argv, 1));
	pid_t parent = getpid();

	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		if (pid < 0)
			app_die("fork");
		if (pid == 0)
			child(listener, parent);
	}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return 1;
}

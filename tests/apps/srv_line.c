/* Not HTTP: a line with an id is answered with a line "PID ID", then the connection ends. */
#include "app.h"

int main(int argc, char **argv)
{
	int listener = app_listen(app_port(argc, argv, 1));

	for (;;) {
		int fd = app_accept(listener);
		char line[256], answer[300];
		size_t len = 0;
		ssize_t n;

		do {
			n = recv(fd, line + len, sizeof(line) - 1 - len, 0);
			len += n > 0 ? (size_t)n : 0;
			line[len] = '\0';
		} while (n > 0 && !strchr(line, '\n') && len < sizeof(line) - 1);
		if (strchr(line, '\n')) {
			snprintf(answer, sizeof(answer), "%d %.*s\n", (int)app_pid,
				 (int)strcspn(line, "\n"), line);
			app_write(fd, answer, strlen(answer));
		}
		close(fd);
	}
}

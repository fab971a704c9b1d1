/*
 * A program for inetd: answers one line with its pid, the line and what its environment says, and
 * ends. "exit N", "abort", "hold": as they say; "hold" ends with the connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *of(char **envp, const char *name)
{
	size_t len = strlen(name);

	for (; *envp; envp++)
		if (!strncmp(*envp, name, len) && (*envp)[len] == '=')
			return *envp + len + 1;
	return "-";
}

int main(int argc, char **argv, char **envp)
{
	const char *remote = getenv("TCPREMOTEPORT");
	char line[200] = "";

	if (!fgets(line, sizeof(line), stdin))
		return 0;
	line[strcspn(line, "\r\n")] = '\0';
	printf("pid=%d ppid=%d line=%s arg=%s ip=%s port=%s local=%s:%s proto=%s\n", (int)getpid(),
	       (int)getppid(), line, argc > 1 ? argv[1] : "-", of(envp, "TCPREMOTEIP"),
	       remote ? remote : "-", of(envp, "SERVER_ADDR"), of(envp, "TCPLOCALPORT"),
	       of(envp, "PROTO"));
	(void)fflush(stdout);
	if (!strncmp(line, "exit ", 5))
		return atoi(line + 5);
	if (!strcmp(line, "abort"))
		abort();
	if (!strcmp(line, "error"))
		(void)fprintf(stderr, "said to descriptor 2\n");
	if (!strcmp(line, "hold"))
		while (read(STDIN_FILENO, line, sizeof(line)) > 0)
			continue;
	return 0;
}

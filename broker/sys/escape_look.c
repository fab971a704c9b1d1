#include "escape_look.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "handoff_wire.h"
#include "sys/proc.h"

#define LIBRARY "libworker-shim.so"

/* Of one file in /proc; what is beyond that is not looked at. */
#define FILE_MAX (1024 * 1024)

static bool is_privileged(pid_t pid)
{
	unsigned long vector[2 * 64];
	ssize_t n = proc_read(pid, "auxv", (char *)vector, sizeof(vector));

	for (size_t i = 0; n > 0 && i + 1 < (size_t)n / sizeof(vector[0]); i += 2)
		if (vector[i] == AT_SECURE)
			return vector[i + 1] != 0;
	return false;
}

static bool has_other_root(const char *dir)
{
	struct stat own, its;
	char path[48];

	snprintf(path, sizeof(path), "%s/root", dir);
	return stat("/", &own) == 0 && stat(path, &its) == 0 &&
	       (own.st_dev != its.st_dev || own.st_ino != its.st_ino);
}

void escape_look(pid_t pid, uid_t uid, const char *token, struct escape_facts *ret)
{
	_cleanup_free_ char *text = malloc(FILE_MAX);
	char dir[32];
	struct stat st;
	ssize_t n;

	*ret = (struct escape_facts){ 0 };
	if (!text || proc_read(pid, "maps", text, FILE_MAX) <= 0)
		return;
	ret->library = strstr(text, "/" LIBRARY);
	ret->dynamic = strstr(text, ".so");
	n = proc_read(pid, "environ", text, FILE_MAX);
	ret->readable = n >= 0;
	/* Where else would it be but in LD_PRELOAD? */
	ret->preload = n > 0 && memmem(text, (size_t)n, LIBRARY, strlen(LIBRARY));
	ret->token = proc_environ_has(pid, HANDOFF_ENV_TOKEN, token);
	ret->no_token = proc_environ_has(pid, HANDOFF_ENV_TOKEN, "");
	ret->privileged = is_privileged(pid);
	snprintf(dir, sizeof(dir), "/proc/%d", (int)pid);
	ret->other_user = stat(dir, &st) < 0 || st.st_uid != uid;
	ret->other_root = has_other_root(dir);
}

bool escape_port_is_any(uint16_t port)
{
	char text[32];
	unsigned from, to;

	return proc_read_setting("net/ipv4/ip_local_port_range", text, sizeof(text)) > 0 &&
	       sscanf(text, "%u %u", &from, &to) == 2 && port >= from && port <= to;
}

#define UNIX_LISTENS 0x10000ul /* __SO_ACCEPTCON */

bool escape_add_unix_socket(pid_t pid, struct strbuf *out)
{
	_cleanup_free_ char *text = malloc(FILE_MAX);
	char *rest = text, *line;

	if (!text || proc_read(pid, "net/unix", text, FILE_MAX) <= 0)
		return false;
	while ((line = strsep(&rest, "\n"))) {
		unsigned long long inode;
		unsigned long flags;
		char name[109] = "";

		if (sscanf(line, "%*s %*s %*s %lx %*s %*s %llu %108s", &flags, &inode, name) < 2 ||
		    !(flags & UNIX_LISTENS) || !proc_holds_socket(pid, inode))
			continue;
		strbuf_add(out, name);
		return true;
	}
	return false;
}

/* A socket for passing descriptors is there before clients come; there may be very many of these.
 */
#define PASSING_FDS 256

bool escape_has_rights_in_flight(pid_t pid)
{
	char path[64], text[1024];
	unsigned left = PASSING_FDS;
	_cleanup_dir_ DIR *dir = proc_fds_open(pid);
	struct dirent *e;

	while (dir && left-- && (e = readdir(dir))) {
		const char *n;

		snprintf(path, sizeof(path), "fdinfo/%.16s", e->d_name);
		n = proc_read(pid, path, text, sizeof(text)) > 0 ? strstr(text, "scm_fds:") : NULL;
		if (n && strtoul(n + strlen("scm_fds:"), NULL, 10) > 0)
			return true;
	}
	return false;
}

#include "say.h"

#include "addr.h"
#include "number.h"
#include "real.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	uint64_t dev, ino; /* 0: there is none */
} standard_error;

void say_init(void)
{
	const char *text = getenv(HANDOFF_ENV_STDERR);
	struct stat st = { .st_dev = 0 };

	if (text && number_read(&text, 16, UINT64_MAX, &standard_error.dev) && *text++ == ':' &&
	    number_read(&text, 16, UINT64_MAX, &standard_error.ino) && !*text)
		return;
	(void)fstat(STDERR_FILENO, &st);
	standard_error.dev = st.st_dev;
	standard_error.ino = st.st_ino;
}

void say(const struct slot *slot, const char *text, const char *more)
{
	char line[HANDOFF_PATH_SIZE + HANDOFF_REASON_SIZE + 320], *out;
	_keep_errno_ int saved = errno;
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0 || st.st_dev != standard_error.dev ||
	    st.st_ino != standard_error.ino)
		return;
	out = stpcpy(line, "worker-shim: listen on ");
	out = *slot->app.path ? stpcpy(out, slot->app.path) : addr_format(&slot->app.addr, out);
	out = stpcpy(out, ": ");
	out = stpcpy(out, text);
	out = stpcpy(out, more ? more : "");
	*out++ = '\n';
	if (real.write(STDERR_FILENO, line, (size_t)(out - line)) < 0)
		return; /* nowhere to say it */
}

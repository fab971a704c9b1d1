/* doctor: without a broker. What it finds is in doctor.c. */
#include <errno.h>
#include <string.h>
#include "ctl/ctl.h"
#include "ctl/doctor.h"
#include "ctl/out.h"

#define TEXT_MAX (1 << 20)

/* The command with its arguments, which stand behind "--". NULL: no memory. */
static char **command_words(const struct request *r)
{
	size_t n = 0;
	char **words;

	while (r->rest && r->rest[n])
		n++;
	words = calloc(n + 2, sizeof(*words));
	if (!words)
		return NULL;
	words[0] = (char *)(uintptr_t)r->arguments[0].text;
	for (size_t i = 0; i < n; i++)
		words[i + 1] = r->rest[i];
	return words;
}

enum ctl_exit ctl_doctor(struct ctl *ctl)
{
	_cleanup_free_ char **words = command_words(&ctl->request);
	struct buf text = BUF_INIT(TEXT_MAX);
	enum doctor_verdict verdict = DOCTOR_NO;
	STRBUF(error, 1024);
	int r = words ? doctor_run(words, ctl->json, &text, &verdict, &error) : -ENOMEM;

	if (r < 0) {
		buf_deinit(&text);
		out_error("%s", error.len ? error.text : strerror(-r));
		return CTL_FAILED;
	}
	out_buf(&text);
	return verdict == DOCTOR_YES ? CTL_OK : CTL_FAILED;
}

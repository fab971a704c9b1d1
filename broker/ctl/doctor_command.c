/*
 * brokerctl doctor: needs no broker.
 */
#include <string.h>
#include "ctl/ctl.h"
#include "ctl/doctor.h"
#include "ctl/out.h"

#define ANSWER_MAX (1 << 20)

/* COMMAND and what stands behind "--", NULL-terminated. NULL: no memory. */
static char **command_words(const struct request *r)
{
	size_t n = 0;
	char **words;

	while (r->rest && r->rest[n])
		n++;
	words = calloc(n + 2, sizeof(*words));
	if (!words)
		return NULL;
	words[0] = strdup(r->arguments[0].text);
	if (!words[0]) {
		free(words);
		return NULL;
	}
	if (n)
		memcpy(words + 1, r->rest, n * sizeof(*words));
	return words;
}

enum ctl_exit ctl_doctor(struct ctl *ctl)
{
	struct buf answer = BUF_INIT(ANSWER_MAX);
	char **words = command_words(&ctl->request);
	enum doctor_verdict verdict = DOCTOR_NO;
	STRBUF(error, 1024);
	int r;

	if (!words) {
		out_error("out of memory");
		return CTL_FAILED;
	}
	r = doctor_run(words, ctl->json, &answer, &verdict, &error);
	free(words[0]);
	free(words);
	if (r < 0) {
		out_error("%s", error.text);
		buf_deinit(&answer);
		return CTL_FAILED;
	}
	out_buf(&answer);
	return verdict == DOCTOR_YES ? CTL_OK : CTL_FAILED;
}

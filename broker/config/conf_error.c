#include "conf_error.h"

#include <string.h>

void conf_errors_add(struct conf_errors *errors, unsigned line, const char *fmt, ...)
{
	struct conf_error add = { .line = line };
	struct strbuf text;
	size_t at = 0;
	va_list ap;

	strbuf_init(&text, add.text, sizeof(add.text));
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);

	while (at < errors->n && errors->error[at].line <= line) {
		if (errors->error[at].line == line && !strcmp(errors->error[at].text, add.text))
			return;
		at++;
	}
	if (errors->n == ARRAY_SIZE(errors->error)) {
		errors->more = true;
		if (at == errors->n)
			return;
		errors->n--;
	}
	memmove(&errors->error[at + 1], &errors->error[at], (errors->n - at) * sizeof(add));
	errors->error[at] = add;
	errors->n++;
}

void conf_errors_print(const struct conf_errors *errors, const char *file, struct strbuf *out)
{
	for (size_t i = 0; i < errors->n; i++) {
		if (i)
			strbuf_add(out, "\n");
		if (errors->error[i].line)
			strbuf_addf(out, "%s:%u: ", file, errors->error[i].line);
		strbuf_add(out, errors->error[i].text);
	}
	if (errors->more)
		strbuf_addf(out, "\n%s: there are more errors", file);
}

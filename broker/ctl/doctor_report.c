#include <string.h>
#include "ctl/doctor_facts.h"

static const struct {
	const char *key;
	size_t offset;
} fields[] = {
#define FIELD(name)                                                                                \
	{                                                                                          \
#name, offsetof(struct doctor_program, name)                                       \
	}
	FIELD(path),	    FIELD(binary),  FIELD(class),   FIELD(machine), FIELD(linkage),
	FIELD(interpreter), FIELD(libc),    FIELD(first),   FIELD(go),	    FIELD(io_uring),
	FIELD(privilege),   FIELD(verdict), FIELD(backend), FIELD(reason),
#undef FIELD
};

static void set_field(struct doctor_program *p, const char *key, const char *value)
{
	if (!strcmp(key, "script")) {
		if (p->n_scripts < DOCTOR_SCRIPTS)
			p->scripts[p->n_scripts++] = value;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!strcmp(fields[i].key, key))
			*(const char **)((char *)p + fields[i].offset) = value;
}

bool doctor_report_parse(char *text, struct doctor_program *ret)
{
	char *line, *next = text;

	*ret = (struct doctor_program){ 0 };
	while ((line = strsep(&next, "\n"))) {
		char *equals = strchr(line, '=');

		if (!equals)
			continue;
		*equals = '\0';
		set_field(ret, line, equals + 1);
	}
	return ret->verdict != NULL;
}

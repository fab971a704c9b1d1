/*
 * conf_read - from the lines of a file to sections of settings whose keys are
 * known, each with its option. What the values mean is conf_fill.c's business.
 *
 * Settings point into the text of the file.
 */
#pragma once

#include "config/conf_error.h"
#include "config/option_table.h"

#define SERVICE_NAME_MAX 32

struct conf_setting {
	const struct option *option;
	char number[8]; /* of a key that has one (wrap.1), else empty */
	const char *text;
	size_t len;
	unsigned line;
};

enum section_kind { SECTION_BROKER, SECTION_DEFAULTS, SECTION_SERVICE };

struct conf_section {
	enum section_kind kind;
	char name[SERVICE_NAME_MAX + 1]; /* of a service, else empty */
	unsigned line;
	struct conf_setting *settings;
	size_t n;
};

struct conf_sections {
	struct conf_section *section; /* as in the file */
	size_t n;
};

/* [A-Za-z0-9_-]{1,32}: it becomes part of messages, of file names and of the environment. */
bool conf_name_ok(const char *name, size_t len);

/*
 * Reads the file. Faults go to @errors, and what is good is in *@ret all the
 * same. 0 or -ENOMEM; in both cases *@ret is the caller's to free.
 */
int conf_read(const char *text, size_t len, struct conf_errors *errors, struct conf_sections *ret);
void conf_sections_free(struct conf_sections *sections);

/* NULL if the file has none such; @name NULL: the first of that kind. */
const struct conf_section *conf_sections_find(const struct conf_sections *sections,
					      enum section_kind kind, const char *name);

/* The first setting of @option in @section (which may be NULL), or NULL. */
const struct conf_setting *conf_section_find(const struct conf_section *section,
					     const struct option *option);

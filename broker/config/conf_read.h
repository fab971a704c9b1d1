/*
 * conf_read - from the lines of a file to sections of settings whose keys are
 * known, each with its option. What the values mean is conf.c's business.
 *
 *	# a comment, ; too
 *	[section]
 *	key = value		# value: raw, see words.h for comment and quotes
 *
 * A line cannot be continued. Lines end with LF or CRLF; a byte order mark at the start is skipped.
 * A bad line costs that line only, and a bad [section] its settings too; what follows one bad line
 * more than there is room for messages is not read.
 */
#pragma once

#include "config/conf_check.h"
#include "config/option.h"

/* The place of a section: services follow as in the file. */
enum { SECTION_BROKER, SECTION_DEFAULTS, SECTION_SERVICES };

struct conf_section {
	char name[sizeof("service:") + SERVICE_NAME_MAX]; /* as its header has it */
	unsigned line;			 /* of the header; 0: the file has no such section */
	struct option_setting *settings; /* in conf_sections.settings */
	size_t n;
};

struct conf_sections {
	char *text; /* of the file, in pieces that the settings point to */
	struct option_setting *settings;
	struct conf_section of[SECTION_SERVICES + CONF_SERVICES_MAX];
	size_t n;
};

/*
 * Reads the file. Faults go to @errors, and what is good is in *@ret all the
 * same. 0 or -ENOMEM; in both cases *@ret is the caller's to free.
 */
int conf_read(const char *text, size_t len, struct conf_errors *errors, struct conf_sections *ret);
void conf_sections_free(struct conf_sections *sections);

/* The first setting of @option, or NULL. */
const struct option_setting *conf_section_find(const struct conf_section *section,
					       const struct option *option);

#include "conf_read.h"

#include "base/words.h"

#define LINE_MAX_BYTES 65536

struct reader {
	struct conf_errors *errors;
	struct conf_sections *sections;
	struct conf_section *section; /* takes the settings; NULL: they cannot be judged */
	struct option_setting *free;  /* the next that is */
	unsigned line;
	bool begun; /* the file has had a header, good or bad, or a message that it has none */
};

/* Of the line that is read. */
#define complain(reader, ...) conf_errors_add((reader)->errors, (reader)->line, __VA_ARGS__)

/* --- lines --------------------------------------------------------------------------- */

/* What no line may hold, or NULL. */
static const char *bad_bytes(const char *line, size_t len)
{
	if (len > LINE_MAX_BYTES)
		return "the line is longer than 65536 bytes";
	for (size_t i = 0, n; i < len; i += n) {
		n = line[i] == '\t' ? 1 : utf8_len(line + i, len - i);
		if (line[i] == '\0')
			return "the line holds a NUL byte: this is not a text file";
		if (n == 0)
			return line[i] & 0x80 ? "the line is not valid UTF-8"
					      : "the line holds a control character";
	}
	return NULL;
}

/* --- sections ------------------------------------------------------------------------ */

static void unknown_section(struct reader *reader, const char *name)
{
	static const char *const known[] = { "broker", "defaults", "service" };
	const char *colon = strchr(name, ':'), *rest = colon ? colon + 1 : name;
	const char *near = NULL;
	STRBUF(hint, 100);
	STRBUF(word, 16);

	strbuf_add_bytes(&word, name, strcspn(name, ":"));
	if (!word.cut)
		near = nearest(word.text, known, colon ? 3 : 2);
	/* [web], [servce:web]: somebody means a service of that name. */
	if (near && strcmp(near, "service") != 0)
		strbuf_addf(&hint, "; did you mean [%s]? Allowed", near);
	else if ((near || !colon) && conf_name_ok(rest, strlen(rest)))
		strbuf_addf(&hint, "; did you mean [service:%s]? Allowed", rest);
	else
		strbuf_add(&hint, "; allowed");
	complain(reader, "unknown section %s%s: [broker], [defaults], [service:NAME]",
		 strbuf_quote(name).text, hint.text);
}

/* Whether @name is [service:NAME]; if it is not, that has been said. */
static bool service_ok(struct reader *reader, const char *name)
{
	static const char prefix[] = "service:";
	const char *own = name + strlen(prefix);

	if (strncmp(name, prefix, strlen(prefix)) != 0) {
		unknown_section(reader, name);
		return false;
	}
	if (conf_name_ok(own, strlen(own)))
		return true;
	static_assert(SERVICE_NAME_MAX == 32, "as the message says");
	complain(reader,
		 "%s is not a service name; allowed: 1 to 32 letters, digits, \"_\" and \"-\"",
		 strbuf_quote(own).text);
	return false;
}

static void add_section(struct reader *reader, const char *name)
{
	struct conf_sections *sections = reader->sections;
	struct conf_section *place;
	size_t i = 0;

	while (i < sections->n && strcmp(sections->of[i].name, name) != 0)
		i++;
	place = &sections->of[i];
	if (i == sections->n && !service_ok(reader, name))
		return;
	if (i == ARRAY_SIZE(sections->of)) {
		complain(reader, "more than %d services", CONF_SERVICES_MAX);
	} else if (place->line) {
		complain(reader, "[%s] appears a second time; the first is in line %u", name,
			 place->line);
	} else {
		strcpy(place->name, name);
		place->line = reader->line;
		place->settings = reader->free;
		sections->n += i == sections->n;
		reader->section = place;
	}
}

/* @line begins with a bracket. */
static void read_header(struct reader *reader, char *line)
{
	char *close = strchr(line, ']'), *after;

	reader->begun = true;
	reader->section = NULL;
	if (!close) {
		complain(reader, "%s has no closing bracket: write [section]",
			 strbuf_quote(line).text);
		return;
	}
	*close = '\0';
	after = words_trim(close + 1);
	if (*after && *after != '#' && *after != ';')
		complain(reader, "nothing may follow [section], but there is %s",
			 strbuf_quote(after).text);
	else
		add_section(reader, words_trim(line + 1));
}

/* --- settings ------------------------------------------------------------------------ */

/* What the key is called in the files of systemd, xinetd, supervisor and PM2. */
static const struct synonym elsewhere[] = {
	{ "env", "environment" },
	{ "cwd", "directory" },
	{ "chdir", "directory" },
	{ "working_directory", "directory" },
	{ "port", "listen" },
	{ "bind", "listen" },
	{ "address", "listen" },
	{ "instances", "workers" },
	{ "processes", "workers" },
	{ "numprocs", "workers" },
	{ "exec", "command" },
	{ "server", "command" },
	{ "script", "command" },
	{ "uid", "user" },
	{ "gid", "group" },
	{ "stdout", "output" },
	{ "kill_timeout", "stop_timeout" },
	{ "timeout", "drain_timeout" },
	{ 0 },
};

static void unknown_key(struct reader *reader, enum option_section options, const char *key)
{
	bool broker = options == OPTION_BROKER;
	const char *keys[CONF_OPTIONS_MAX], *near;
	size_t n = 0;

	if (option_find(broker ? OPTION_SERVICE : OPTION_BROKER, key)) {
		complain(reader, "%s belongs in %s, not in [%s]", key,
			 broker ? "[service:NAME] or [defaults]" : "[broker]",
			 reader->section->name);
		return;
	}
	for_each_option (opt, options)
		keys[n++] = opt->key;
	near = broker ? NULL : synonym_find(elsewhere, key);
	if (!near)
		near = nearest(key, keys, n);
	complain(reader, "unknown key %s in [%s]%s%s%s", strbuf_quote(key).text,
		 reader->section->name, near ? "; did you mean \"" : "", near ? near : "",
		 near ? "\"?" : "");
}

static void add_setting(struct reader *reader, char *key, const char *text)
{
	struct conf_section *section = reader->section;
	const struct conf_section *of = reader->sections->of;
	enum option_section options =
		section == &of[SECTION_BROKER] ? OPTION_BROKER : OPTION_SERVICE;
	const struct option_setting *twin = NULL;
	const struct option *option;
	char *dot = strchr(key, '.');

	if (dot)
		*dot = '\0';
	option = option_find(options, key);
	if (dot && !(option && option->type->numbered)) {
		option = NULL;
		*dot = '.';
	}
	if (option && !option->type->list)
		twin = conf_section_find(section, option);
	if (!option) {
		unknown_key(reader, options, key);
	} else if (twin) {
		complain(reader, "%s is given a second time; the first is in line %u", key,
			 twin->origin.line);
	} else if (section->n == CONF_SETTINGS_MAX) {
		conf_errors_add(reader->errors, section->line, "more than %d lines in one section",
				CONF_SETTINGS_MAX);
	} else {
		section->n++;
		*reader->free++ = (struct option_setting){
			.option = option,
			.number = !dot	   ? NULL
				  : dot[1] ? dot + 1
					   : "?",
			.text = text,
			.origin.kind =
				section == &of[SECTION_DEFAULTS] ? ORIGIN_DEFAULTS : ORIGIN_FILE,
			.origin.line = reader->line,
		};
	}
}

static void read_setting(struct reader *reader, char *line)
{
	char *equals = strchr(line, '=');

	if (!equals || equals == line) {
		complain(reader, "%s is neither [section] nor key = value",
			 strbuf_quote(line).text);
		return;
	}
	if (!reader->begun)
		complain(reader, "a key before the first section; begin with [service:NAME]");
	reader->begun = true;
	if (!reader->section)
		return;
	*equals = '\0';
	add_setting(reader, words_trim(line), words_trim(equals + 1));
}

/* --- the file ------------------------------------------------------------------------ */

static void read_line(struct reader *reader, char *line, size_t len)
{
	const char *problem = bad_bytes(line, len);

	if (problem) {
		complain(reader, "%s", problem);
		return;
	}
	line[len] = '\0';
	line = words_trim(line);
	if (*line == '[')
		read_header(reader, line);
	else if (*line && *line != '#' && *line != ';')
		read_setting(reader, line);
}

int conf_read(const char *text, size_t len, struct conf_errors *errors, struct conf_sections *ret)
{
	struct reader reader = { .errors = errors, .sections = ret };
	size_t lines = 1, next, n;

	*ret = (struct conf_sections){ .of = { { .name = "broker" }, { .name = "defaults" } },
				       .n = SECTION_SERVICES };
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	ret->text = malloc(len + 1);
	ret->settings = reader.free = calloc(lines, sizeof(*reader.free));
	if (!ret->text || !ret->settings)
		return -ENOMEM;
	memcpy(ret->text, text, len);
	for (size_t at = len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
	     at < len && !errors->more; at = next) {
		const char *newline = memchr(text + at, '\n', len - at);

		n = (newline ? (size_t)(newline - text) : len) - at;
		next = at + n + 1;
		if (n > 0 && text[at + n - 1] == '\r')
			n--;
		reader.line++;
		read_line(&reader, ret->text + at, n);
	}
	return 0;
}

void conf_sections_free(struct conf_sections *sections)
{
	free(sections->text);
	free(sections->settings);
}

const struct option_setting *conf_section_find(const struct conf_section *section,
					       const struct option *option)
{
	for (size_t i = 0; i < section->n; i++)
		if (section->settings[i].option == option)
			return &section->settings[i];
	return NULL;
}

/*
 * brokerctl - asks a running broker, and shows what it answers.
 *
 * This file reads the command line and calls the function of the command.
 */
#include <getopt.h>
#include <string.h>
#include "base/nearest.h"

#include "ctl/completion.h"
#include "ctl/debug.h"
#include "ctl/doctor.h"
#include "ctl/help.h"
#include "ctl/out.h"
#include "ctl/show.h"
#include "ctl/top.h"

struct arguments {
	bool help, version;
};

static bool set_color(const char *text)
{
	if (!strcmp(text, "auto")) {
		out_init(OUT_COLOR_AUTO);
	} else if (!strcmp(text, "always")) {
		out_init(OUT_COLOR_ALWAYS);
	} else if (!strcmp(text, "never")) {
		out_init(OUT_COLOR_NEVER);
	} else {
		out_error("--color must be auto, always or never, not \"%s\"", text);
		return false;
	}
	return true;
}

/* Words behind a program and its first argument are the program's alone. */
static bool is_of_program(const char *name)
{
	const struct command *c = command_find(name);

	return c && command_takes_program(c);
}

/*
 * Takes our own options out of the *@n words of the command: people write `status --json`. What
 * follows "--" is not ours. False: what is wrong was printed.
 */
static bool take_own_options(char **words, size_t *n, struct ctl *ctl, struct arguments *args)
{
	size_t kept = 0;
	bool ours = true;

	for (size_t i = 0; i < *n; i++) {
		char *word = words[i];

		ours = ours && strcmp(word, "--") != 0 && !(kept > 2 && is_of_program(words[0]));
		if (ours && !strcmp(word, "--json"))
			ctl->json = true;
		else if (ours && (!strcmp(word, "--help") || !strcmp(word, "-h")))
			args->help = true;
		else if (!ours || strncmp(word, "--color=", 8) != 0)
			words[kept++] = word;
		else if (!set_color(word + 8))
			return false;
	}
	words[kept] = NULL;
	*n = kept;
	return true;
}

static const struct option longs[] = {
	{ "json", no_argument, NULL, 'J' }, /* this and C are long only */
	{ "color", required_argument, NULL, 'C' }, { "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },	   { NULL, 0, NULL, 0 },
};

static void say_unknown_option(const char *word)
{
	const char *names[ARRAY_SIZE(longs)], *near = NULL;
	STRBUF(name, 64);
	size_t n = 0;

	for (; longs[n].name; n++)
		names[n] = longs[n].name;
	if (!strncmp(word, "--", 2)) {
		strbuf_add_bytes(&name, word + 2, strcspn(word + 2, "="));
		near = nearest(name.text, names, n);
	}
	if (near)
		out_error("there is no option %s; did you mean --%s?", word, near);
	else
		out_error("there is no option %s; see brokerctl --help", word);
}

/* False: what is wrong was printed. */
static bool parse_options(int argc, char **argv, struct ctl *ctl, struct arguments *ret)
{
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:c:s:Vh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			ctl->find.file = optarg;
			break;
		case 's':
			ctl->find.socket = optarg;
			break;
		case 'J':
			ctl->json = true;
			break;
		case 'C':
			if (!set_color(optarg))
				return false;
			break;
		case 'V':
			ret->version = true;
			break;
		case 'h':
			ret->help = true;
			break;
		case ':':
			out_error("%s needs a value; see brokerctl --help", argv[optind - 1]);
			return false;
		default:
			say_unknown_option(argv[optind - 1]);
			return false;
		}
	}
	if (ctl->find.file && ctl->find.socket) {
		out_error("-c and -s both name a broker: use only one of them");
		return false;
	}
	return true;
}

/* All others are asked of the broker, and what it answers is shown. */
static enum ctl_exit (*const commands[])(struct ctl *ctl) = {
	[COMMAND_TOP] = ctl_top,	   [COMMAND_DEBUG] = ctl_debug,
	[COMMAND_DOCTOR] = ctl_doctor,	   [COMMAND_COMPLETION] = ctl_completion,
	[COMMAND_COMPLETE] = ctl_complete, [COMMAND_HELP] = ctl_help,
};

static enum ctl_exit run_command(struct ctl *ctl)
{
	enum command_id id = ctl->request.command->id;

	return (id < ARRAY_SIZE(commands) && commands[id] ? commands[id] : ctl_show)(ctl);
}

/* @words: the command and what follows it. */
static enum ctl_exit run(struct ctl *ctl, char **words, size_t n, const struct arguments *args)
{
	STRBUF(error, 1024);

	if (args->help) {
		help_print(n ? command_find(words[0]) : NULL);
		return CTL_OK;
	}
	if (command_parse(words, n, &ctl->request, &error) != COMMAND_OK) {
		out_error("%s", error.text);
		return CTL_USAGE;
	}
	ctl->words = words;
	/* The broker does not get "--" and the words after it. */
	ctl->n_words = ctl->request.rest ? (size_t)(ctl->request.rest - words) - 1 : n;
	return run_command(ctl);
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .client = CLIENT_INIT };
	struct arguments args = { .help = false };
	enum ctl_exit code;
	size_t n;
	int r;

	out_init(OUT_COLOR_AUTO);
	if (!parse_options(argc, argv, &ctl, &args))
		return CTL_USAGE;
	n = (size_t)(argc - optind);
	if (!take_own_options(argv + optind, &n, &ctl, &args))
		return CTL_USAGE;
	if (args.version) {
		out_text("brokerctl " BROKER_VERSION "\n");
		code = CTL_OK;
	} else {
		code = run(&ctl, argv + optind, n, &args);
	}
	client_close(&ctl.client);
	r = out_flush();
	if (r < 0) {
		out_error("cannot write: %s", strerror(-r));
		if (code == CTL_OK)
			code = CTL_FAILED;
	}
	return code;
}

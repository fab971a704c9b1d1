#include "ctl/completion_parts.h"

#include <string.h>

/* fish reads no functions of other shells: the same questions in its own words. */
static const char fish_head[] =
	"# fish completion of brokerctl: brokerctl completion fish | source\n"
	"\n"
	"# The options before the command that say which broker.\n"
	"function __brokerctl_find\n"
	"\tset -l tokens (commandline -opc)\n"
	"\tfor i in (seq 2 (count $tokens))\n"
	"\t\tif contains -- $tokens[$i] -c -s; and set -q tokens[(math $i + 1)]\n"
	"\t\t\tprintf '%s\\n' $tokens[$i] $tokens[(math $i + 1)]\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"\n"
	"# The words of the line that are neither options nor the values of ours.\n"
	"function __brokerctl_words\n"
	"\tset -l skip 0\n"
	"\tfor token in (commandline -opc)[2..-1]\n"
	"\t\tif test $skip = 1\n"
	"\t\t\tset skip 0\n"
	"\t\telse if contains -- $token $__brokerctl_takes\n"
	"\t\t\tset skip 1\n"
	"\t\telse if not string match -q -- '-*' $token\n"
	"\t\t\techo $token\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"\n"
	"# N WORD...: whether the line has N words, and begins with these.\n"
	"function __brokerctl_at\n"
	"\tset -l words (__brokerctl_words)\n"
	"\ttest (count $words) -eq $argv[1]; or return 1\n"
	"\ttest (count $argv) -eq 1; and return 0\n"
	"\ttest \"$words[1..\"(math (count $argv) - 1)\"]\" = \"$argv[2..-1]\"\n"
	"end\n"
	"\n"
	"# WORD...: whether the line begins with these.\n"
	"function __brokerctl_is\n"
	"\tset -l words (__brokerctl_words)\n"
	"\ttest (count $words) -ge (count $argv); or return 1\n"
	"\ttest \"$words[1..\"(count $argv)\"]\" = \"$argv\"\n"
	"end\n"
	"\n"
	"function __brokerctl_values\n"
	"\tset -l answer (brokerctl (__brokerctl_find) --json status 2>/dev/null)\n"
	"\tif contains $argv[1] service target\n"
	"\t\tstring replace -rf '^{\"type\":\"service\",\"service\":\"([^\"]*)\".*' '$1' -- "
	"$answer\n"
	"\tend\n"
	"\tif contains $argv[1] worker target pinned\n"
	"\t\tstring replace -rf '^{\"type\":\"worker\",.*\"worker\":\"([^\"]*)\".*' '$1' -- "
	"$answer\n"
	"\tend\n"
	"\ttest $argv[1] = pinned; and echo all\n"
	"\ttest $argv[1] = signal; and printf '%s\\n' HUP INT QUIT USR1 USR2 TERM STOP CONT KILL "
	"WINCH\n"
	"\ttest $argv[1] = shell; and printf '%s\\n' bash zsh fish\n"
	"\ttest $argv[1] = command; and __brokerctl_commands\n"
	"\ttest $argv[1] = program; and __fish_complete_command\n"
	"\treturn 0\n"
	"end\n"
	"\n"
	"complete -c brokerctl -f\n"
	"complete -c brokerctl -s c -r -F -n '__brokerctl_at 0' -d 'the configuration file'\n"
	"complete -c brokerctl -s s -r -F -n '__brokerctl_at 0' -d 'the control socket'\n"
	"complete -c brokerctl -l json -d 'lines of JSON'\n"
	"complete -c brokerctl -l color -x -a 'auto always never' -n '__brokerctl_at 0'\n"
	"complete -c brokerctl -l version -n '__brokerctl_at 0'\n"
	"complete -c brokerctl -l help\n";

/* In single quotes, where fish knows two characters. */
static void add_fish_quoted(const char *text, struct buf *out)
{
	buf_add_str(out, "'");
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			buf_add_str(out, "\\");
		buf_add(out, text, 1);
	}
	buf_add_str(out, "'");
}

static void add_fish_command(const struct command *c, struct buf *out)
{
	const char *space = strchr(c->name, ' ');
	size_t words = space ? 2 : 1;

	buf_add_str(out, "\ncomplete -c brokerctl -n '__brokerctl_at ");
	if (space)
		buf_addf(out, "1 %.*s' -a %s -d ", (int)(space - c->name), c->name, space + 1);
	else
		buf_addf(out, "0' -a %s -d ", c->name);
	add_fish_quoted(c->help, out);
	buf_add_str(out, "\n");
	for (size_t a = 0; a < COMMAND_ARGUMENTS && c->arguments[a].kind; a++)
		buf_addf(out,
			 "complete -c brokerctl -n '__brokerctl_at %zu %s' -a '(__brokerctl_values "
			 "%s)'\n",
			 words + a, c->name, completion_kind_name(c->arguments[a].kind));
	for (size_t o = 0; o < COMMAND_OPTIONS && c->options[o].name; o++) {
		const struct command_option *option = &c->options[o];

		buf_addf(out, "complete -c brokerctl -n '__brokerctl_is %s' -l %s", c->name,
			 option->name + 2);
		if (option->letter)
			buf_addf(out, " -s %c", option->letter);
		if (option->value)
			buf_addf(out, " -x -a '(__brokerctl_values %s)'",
				 completion_kind_name(option->value));
		buf_add_str(out, " -d ");
		add_fish_quoted(option->help, out);
		buf_add_str(out, "\n");
	}
}

void completion_add_fish(struct buf *out)
{
	buf_add_str(out, fish_head);
	buf_add_str(out, "\nfunction __brokerctl_commands\n\tprintf '%s\\n' ");
	completion_add_commands(out);
	buf_add_str(out, "\nend\n\n# Options whose value is a word of its own.\n"
			 "set -g __brokerctl_takes -c -s --color");
	for (size_t i = 0; i < command_count; i++)
		for (size_t o = 0; o < COMMAND_OPTIONS && command_table[i].options[o].name; o++)
			if (command_table[i].options[o].value)
				buf_addf(out, " %s", command_table[i].options[o].name);
	buf_add_str(out, "\n");
	for (size_t i = 0; i < command_count; i++)
		if (!command_table[i].hidden)
			add_fish_command(&command_table[i], out);
}

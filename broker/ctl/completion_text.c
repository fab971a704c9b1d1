#include "completion_text.h"

#include <string.h>
#include "policy/command.h"

/*
 * Each script has a function that asks the broker, and one table of what can stand where:
 *
 *	_brokerctl_table "reload"		-> arguments: service; options: --no-wait --plan
 *	_brokerctl_values "service"		-> web api
 *
 * A command of two words ("reload abort") is found under both, and its second word is one more
 * thing that may follow the first.
 */

/* What the scripts call a kind. */
static const char *kind_name(enum command_kind kind)
{
	switch (kind) {
	case KIND_SERVICE:
		return "service";
	case KIND_WORKER:
		return "worker";
	case KIND_TARGET:
		return "target";
	case KIND_SIGNAL:
		return "signal";
	case KIND_PINNED:
		return "pinned";
	case KIND_COMMAND:
		return "command";
	case KIND_SHELL:
		return "shell";
	case KIND_PROGRAM:
		return "program";
	case KIND_NONE:
	case KIND_COUNT:
	case KIND_DURATION:
	case KIND_SINCE:
	case KIND_SOURCE:
		break;
	}
	return "nothing";
}

/* The commands of one word, as a list of words. */
static void add_commands(struct buf *out)
{
	const char *blank = "";

	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &command_table[i];

		if (c->hidden || strchr(c->name, ' '))
			continue;
		buf_addf(out, "%s%s", blank, c->name);
		blank = " ";
	}
}

/* The second words of the commands that begin with @first. */
static void add_second_words(const char *first, struct buf *out)
{
	size_t len = strlen(first);

	for (size_t i = 0; i < command_count; i++)
		if (!strncmp(command_table[i].name, first, len) &&
		    command_table[i].name[len] == ' ')
			buf_addf(out, " %s", command_table[i].name + len + 1);
}

static void add_options(const struct command *c, struct buf *out)
{
	for (size_t i = 0; i < COMMAND_OPTIONS && c->options[i].name; i++) {
		if (c->options[i].letter)
			buf_addf(out, " -%c", c->options[i].letter);
		buf_addf(out, " %s", c->options[i].name);
	}
}

/* One case for each command: what its arguments are, its options, and what those take. */
static void add_table(struct buf *out)
{
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &command_table[i];

		if (c->hidden)
			continue;
		buf_addf(out, "\t'%s')\n\t\tkinds='", c->name);
		for (size_t a = 0; a < COMMAND_ARGUMENTS && c->arguments[a].kind; a++)
			buf_addf(out, "%s%s", a ? " " : "", kind_name(c->arguments[a].kind));
		buf_add_str(out, "' second='");
		add_second_words(c->name, out);
		buf_add_str(out, "' flags='");
		add_options(c, out);
		buf_add_str(out, "' values='");
		for (size_t o = 0; o < COMMAND_OPTIONS && c->options[o].name; o++)
			if (c->options[o].value)
				buf_addf(out, " %s=%s", c->options[o].name,
					 kind_name(c->options[o].value));
		buf_addf(out, "' rest='%s' ;;\n", c->rest ? "program" : "");
	}
}

/*
 * The part that bash and zsh share, in words that both understand: from the words before the
 * cursor (its arguments) to what may stand there, one a line. `FILES` and `PROGRAMS` stand for
 * what the shell itself completes.
 */
static const char shared_head[] =
	"_brokerctl_ask() {\n"
	"\tbrokerctl \"$@\" --json status 2>/dev/null\n"
	"}\n"
	"\n"
	"# KIND [OPTION]...: what there is of a kind, asked with the options of the line.\n"
	"_brokerctl_values() {\n"
	"\tlocal kind=$1\n"
	"\tshift\n"
	"\tcase $kind in\n"
	"\tservice|target)\n"
	"\t\t_brokerctl_ask \"$@\" |\n"
	"\t\t\tsed -n 's/^{\"type\":\"service\",\"service\":\"\\([^\"]*\\)\".*/\\1/p' ;;\n"
	"\tesac\n"
	"\tcase $kind in\n"
	"\tworker|target|pinned)\n"
	"\t\t_brokerctl_ask \"$@\" |\n"
	"\t\t\tsed -n 's/^{\"type\":\"worker\",.*\"worker\":\"\\([^\"]*\\)\".*/\\1/p' | sort -u "
	";;\n"
	"\tesac\n"
	"\tcase $kind in\n"
	"\tpinned) echo all ;;\n"
	"\tsignal) printf '%s\\n' HUP INT QUIT USR1 USR2 TERM STOP CONT KILL WINCH ;;\n"
	"\tshell) printf '%s\\n' bash zsh fish ;;\n"
	"\tcommand) printf '%s\\n' $(_brokerctl_commands) ;;\n"
	"\tprogram) echo PROGRAMS ;;\n"
	"\tfile) echo FILES ;;\n"
	"\tcolor) printf '%s\\n' auto always never ;;\n"
	"\tesac\n"
	"}\n"
	"\n";

static const char shared_tail[] =
	"\n"
	"_brokerctl_value_of() { # OPTION, in the values of the command\n"
	"\tcase \"$values \" in\n"
	"\t*\" $1=\"*) set -- \"${values#* $1=}\"; echo \"${1%% *}\" ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_brokerctl_nth() { # N WORD...: the Nth word\n"
	"\tshift \"$1\"\n"
	"\techo \"$1\"\n"
	"}\n"
	"\n"
	"# CURRENT [WORD]...: candidates for the current word, behind the words before it.\n"
	"_brokerctl_candidates() {\n"
	"\tlocal current=$1 word want= command= first= n=0 find_c= find_s=\n"
	"\tlocal kinds= second= flags= values= rest=\n"
	"\tshift\n"
	"\tfor word in \"$@\"; do\n"
	"\t\tif [ -n \"$want\" ]; then\n"
	"\t\t\tcase $want in\n"
	"\t\t\t-c) find_c=$word ;;\n"
	"\t\t\t-s) find_s=$word ;;\n"
	"\t\t\tesac\n"
	"\t\t\twant=\n"
	"\t\t\tcontinue\n"
	"\t\tfi\n"
	"\t\tcase $word in\n"
	"\t\t--) [ -n \"$rest\" ] && n=rest && break ;;\n"
	"\t\t-c|-s|--color) [ -z \"$command\" ] && want=$word ;;\n"
	"\t\t-*) [ -n \"$(_brokerctl_value_of \"$word\")\" ] && want=$word ;;\n"
	"\t\t*)\n"
	"\t\t\tif [ -z \"$command\" ]; then\n"
	"\t\t\t\tcommand=$word first=$word\n"
	"\t\t\t\t_brokerctl_table \"$command\"\n"
	"\t\t\telif [ \"$n\" = 0 ] && [ \"$command\" = \"$first\" ] && [ -n \"$second\" ] &&\n"
	"\t\t\t\tcase \" $second \" in *\" $word \"*) true ;; *) false ;; esac; then\n"
	"\t\t\t\tcommand=\"$first $word\"\n"
	"\t\t\t\t_brokerctl_table \"$command\"\n"
	"\t\t\telse\n"
	"\t\t\t\tn=$((n + 1))\n"
	"\t\t\tfi ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tset --\n"
	"\t[ -n \"$find_c\" ] && set -- -c \"$find_c\"\n"
	"\t[ -n \"$find_s\" ] && set -- -s \"$find_s\"\n"
	"\tif [ \"$n\" = rest ]; then\n"
	"\t\techo PROGRAMS\n"
	"\telif [ -n \"$want\" ]; then\n"
	"\t\tcase $want in\n"
	"\t\t-c|-s) _brokerctl_values file ;;\n"
	"\t\t--color) _brokerctl_values color ;;\n"
	"\t\t*) _brokerctl_values \"$(_brokerctl_value_of \"$want\")\" \"$@\" ;;\n"
	"\t\tesac\n"
	"\telif [ -z \"$command\" ]; then\n"
	"\t\tcase $current in\n"
	"\t\t-*) printf '%s\\n' -c -s --json --color --version --help ;;\n"
	"\t\t*) _brokerctl_values command ;;\n"
	"\t\tesac\n"
	"\telse\n"
	"\t\tcase $current in\n"
	"\t\t-*) eval \"printf '%s\\\\n' $flags --json --help\" ;;\n"
	"\t\t*)\n"
	"\t\t\t[ \"$n\" = 0 ] && [ \"$command\" = \"$first\" ] && [ -n \"$second\" ] &&\n"
	"\t\t\t\teval \"printf '%s\\\\n' $second\"\n"
	"\t\t\teval \"set -- \\\"\\$(_brokerctl_nth $((n + 1)) $kinds '' '' '')\\\" "
	"\\\"\\$@\\\"\"\n"
	"\t\t\t_brokerctl_values \"$@\" ;;\n"
	"\t\tesac\n"
	"\tfi\n"
	"}\n"
	"\n";

static void add_shared(struct buf *out)
{
	buf_add_str(out, shared_head);
	buf_add_str(out, "_brokerctl_commands() {\n\techo ");
	add_commands(out);
	buf_add_str(out,
		    "\n}\n\n# COMMAND: what may stand behind it, into the caller's variables.\n"
		    "_brokerctl_table() {\n\tkinds= second= flags= values= rest=\n\tcase $1 in\n");
	add_table(out);
	buf_add_str(out, "\tesac\n}\n");
	buf_add_str(out, shared_tail);
}

static const char bash_tail[] =
	"_brokerctl() {\n"
	"\tlocal current=${COMP_WORDS[COMP_CWORD]} candidate\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS= read -r candidate; do\n"
	"\t\tcase $candidate in\n"
	"\t\tFILES) compopt -o filenames; COMPREPLY+=($(compgen -f -- \"$current\")) ;;\n"
	"\t\tPROGRAMS) COMPREPLY+=($(compgen -c -- \"$current\")) ;;\n"
	"\t\t\"$current\"*) COMPREPLY+=(\"$candidate\") ;;\n"
	"\t\tesac\n"
	"\tdone < <(_brokerctl_candidates \"$current\" \"${COMP_WORDS[@]:1:COMP_CWORD-1}\")\n"
	"}\n"
	"complete -F _brokerctl brokerctl\n";

static const char zsh_tail[] =
	"_brokerctl() {\n"
	"\tlocal candidate\n"
	"\tlocal -a found\n"
	"\twhile IFS= read -r candidate; do\n"
	"\t\tcase $candidate in\n"
	"\t\tFILES) _files ;;\n"
	"\t\tPROGRAMS) _command_names -e ;;\n"
	"\t\t?*) found+=(\"$candidate\") ;;\n"
	"\t\tesac\n"
	"\tdone < <(_brokerctl_candidates \"$words[CURRENT]\" \"${(@)words[2,CURRENT-1]}\")\n"
	"\tcompadd -a found\n"
	"}\n"
	"compdef _brokerctl brokerctl\n";

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
	"\t\telse if contains -- $token -c -s --color\n"
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
			 words + a, c->name, kind_name(c->arguments[a].kind));
	for (size_t o = 0; o < COMMAND_OPTIONS && c->options[o].name; o++) {
		const struct command_option *option = &c->options[o];

		buf_addf(out, "complete -c brokerctl -n '__brokerctl_is %s' -l %s", c->name,
			 option->name + 2);
		if (option->letter)
			buf_addf(out, " -s %c", option->letter);
		if (option->value)
			buf_addf(out, " -x -a '(__brokerctl_values %s)'", kind_name(option->value));
		buf_add_str(out, " -d ");
		add_fish_quoted(option->help, out);
		buf_add_str(out, "\n");
	}
}

static void add_fish(struct buf *out)
{
	buf_add_str(out, fish_head);
	buf_add_str(out, "\nfunction __brokerctl_commands\n\tprintf '%s\\n' ");
	add_commands(out);
	buf_add_str(out, "\nend\n");
	for (size_t i = 0; i < command_count; i++)
		if (!command_table[i].hidden)
			add_fish_command(&command_table[i], out);
}

void completion_text(const char *shell, struct buf *out)
{
	if (!strcmp(shell, "fish")) {
		add_fish(out);
		return;
	}
	if (!strcmp(shell, "zsh"))
		buf_add_str(out,
			    "#compdef brokerctl\n# zsh completion of brokerctl: source <(brokerctl "
			    "completion zsh), behind compinit\n\n");
	else
		buf_add_str(
			out,
			"# bash completion of brokerctl: source <(brokerctl completion bash)\n\n");
	add_shared(out);
	buf_add_str(out, !strcmp(shell, "zsh") ? zsh_tail : bash_tail);
}

#include "completion_text.h"

#include <string.h>
#include "ctl/completion_parts.h"

/*
 * Each script has a function that asks the broker, and one table of what can stand where:
 *
 *	_brokerctl_table "reload"		-> arguments: service; options: --no-wait --plan
 *	_brokerctl_values "service"		-> web api
 *
 * A command of two words ("reload abort") is found under both, and its second word is one more
 * thing that may follow the first.
 */

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
			buf_addf(out, "%s%s", a ? " " : "",
				 completion_kind_name(c->arguments[a].kind));
		buf_add_str(out, "' second='");
		add_second_words(c->name, out);
		buf_add_str(out, "' flags='");
		add_options(c, out);
		buf_add_str(out, "' values='");
		for (size_t o = 0; o < COMMAND_OPTIONS && c->options[o].name; o++)
			if (c->options[o].value)
				buf_addf(out, " %s=%s", c->options[o].name,
					 completion_kind_name(c->options[o].value));
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
	completion_add_commands(out);
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

void completion_text(const char *shell, struct buf *out)
{
	if (!strcmp(shell, "fish")) {
		completion_add_fish(out);
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

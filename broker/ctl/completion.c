#include "completion.h"

#include <string.h>
#include "ctl/ask.h"
#include "ctl/completion_text.h"
#include "ctl/out.h"

#define TEXT_MAX (16 << 20)

/*
 * The files completion.bash, completion.zsh and completion.fish, which the Makefile makes C strings
 * of.
 */
extern const char completion_bash[], completion_zsh[], completion_fish[];

enum ctl_exit ctl_completion(struct ctl *ctl)
{
	const char *shell = ctl->request.arguments[0].text;

	out_text(!strcmp(shell, "fish")	 ? completion_fish
		 : !strcmp(shell, "zsh") ? completion_zsh
					 : completion_bash);
	return CTL_OK;
}

enum ctl_exit ctl_complete(struct ctl *ctl)
{
	char *const status[] = { (char[]){ "status" }, NULL }, *const *words = ctl->request.rest;
	struct view names = { .n_rows = 0 };
	struct ask ask = { .view = &names, .patience_ms = ASK_PATIENCE_MS };
	struct buf text = BUF_INIT(TEXT_MAX);
	struct completion completion;
	size_t n = 0;

	while (words && words[n])
		n++;
	completion = completion_read(words, n);
	ctl->find = completion.find;
	ctl->words = status;
	ctl->n_words = 1;
	/* Without a broker there are no names; all else is completed all the same. */
	if (completion_needs_names(&completion))
		(void)ask_run(&ask, ctl);
	completion_text(&completion, &names, &text);
	out_buf(&text);
	view_deinit(&names);
	return CTL_OK;
}

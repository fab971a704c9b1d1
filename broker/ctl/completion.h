/*
 * completion - completes what is being typed in a shell, from the table of commands.
 */
#pragma once

#include "ctl/ask.h"

/* `completion SHELL` prints the script for the shell, which knows no commands. */
enum ctl_exit ctl_completion(struct ctl *ctl);

/*
 * `complete -- WORD...`: that script asks this when the user presses the tab key. The words are
 * those of the line up to the cursor, without "brokerctl"; the last one is being typed. Prints all
 * that may stand in its place, whatever it begins with: one candidate a line, and behind a tab its
 * description, if there is one. ":files" and ":programs" let the shell itself complete these.
 */
enum ctl_exit ctl_complete(struct ctl *ctl);

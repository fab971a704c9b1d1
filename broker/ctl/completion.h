/*
 * completion - completes what is being typed in a shell.
 */
#pragma once

#include "ctl/ctl.h"

/* `completion SHELL` prints the script for the shell. */
enum ctl_exit ctl_completion(struct ctl *ctl);

/*
 * `complete -- WORD...`: that script asks this when the user presses the tab key. Prints what may
 * stand in the place of the last WORD, one candidate a line: see completion_text.h.
 */
enum ctl_exit ctl_complete(struct ctl *ctl);

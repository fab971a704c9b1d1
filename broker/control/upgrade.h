/*
 * upgrade - the command upgrade: the client hears of it from the program that goes on.
 */
#pragma once

#include "base/util.h"

struct client;
struct control;

void control_upgrade(struct client *c);
int upgrade_resume(struct client *c); /* 0 or -ENOMEM */

/* What has come of it, in words: all that wait for it are told. */
void control_upgraded(struct control *ctl, bool good, const char *words);

/*
 * name_service - asks the machine for users and groups. Nobody knows how long the answer takes: it
 * may come over the network. So no other file does that, and the broker leaves it to a process of
 * its own (master/names.h).
 */
#pragma once

#include <sys/types.h>
#include "base/util.h"

/* The options of `broker --look-up QUESTION...`, each a kind and the name. */
#define LOOK_UP_OPTION "--look-up"
#define LOOK_UP_USER   'u'
#define LOOK_UP_GROUP  'g'

/*
 * That process: writes a struct conf_name for each of @questions, up to a NULL, into the status
 * pipe (sys/spawn.h). Returns its exit status.
 */
int name_service_answer(char *const *questions);

/* The name of @uid; its number where it has none. Waits: for brokerctl. */
void name_service_name(uid_t uid, char *ret, size_t size);

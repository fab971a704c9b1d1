/*
 * option_list - the option types whose value is many words: a command, and the lists.
 */
#ifndef BROKER_CONFIG_OPTION_LIST_H
#define BROKER_CONFIG_OPTION_LIST_H

#include "config/option_type.h"

extern const struct option_type type_command;	  /* char ** */
extern const struct option_type type_environment; /* char * */
extern const struct option_type type_wrap;	  /* struct conf_wrap */
extern const struct option_type type_listen;	  /* struct conf_listen */
extern const struct option_type type_ports;	  /* struct conf_port_range */

#endif

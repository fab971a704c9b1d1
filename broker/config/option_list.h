/*
 * option_list - the option types whose value is many words: commands, addresses, ports.
 */
#pragma once

#include "config/option_type.h"

extern const struct option_type type_command; /* char ** */
extern const struct option_type type_wrap;    /* a list of struct conf_wrap */
extern const struct option_type type_listen;  /* a list of struct conf_listen */
extern const struct option_type type_ports;   /* a list of struct conf_port_range */

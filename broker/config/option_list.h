/*
 * option_list - the option types whose value is many words: commands, addresses, ports.
 */
#pragma once

#include "config/option_type.h"

OPTION_TYPE(command, char **);
OPTION_TYPE(wrap, struct conf_wrap *);		 /* a list */
OPTION_TYPE(listen, struct conf_listen *);	 /* a list */
OPTION_TYPE(ports, struct conf_port_range *);	 /* a list */
OPTION_TYPE(statuses, struct conf_port_range *); /* a list */
OPTION_TYPE(check, char **);			 /* as words: see health_probe.h */

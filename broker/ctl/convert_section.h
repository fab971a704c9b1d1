/*
 * convert_section - writes a service of inetd or xinetd as a section of broker.ini. Pure.
 */
#pragma once

#include "ctl/convert_service.h"

/* Writes .service. One that cannot be served is written in comments, with the reason. */
void convert_section(struct convert *c);

/*
 * client.h - what libhandoff says and hears, in the words of a program: text and sockaddr instead
 * of the fields of handoff_wire.h.
 *
 * Pure.
 */
#pragma once

#include "handoff.h"
#include "handoff_wire.h"

/* "IP:PORT", "[IP]:PORT", or "PORT" of all IPv4 addresses. False, with *@ret undefined: none. */
bool client_read_address(const char *text, struct handoff_addr *ret);

void client_fill(const struct handoff_conn *conn, struct handoff_client *ret);

/*
 * client.h - what libhandoff says and hears, in the words of a program: text and sockaddr instead
 * of the fields of handoff_wire.h.
 *
 * Pure.
 */
#pragma once

#include "handoff.h"
#include "handoff_wire.h"

/*
 * "IP:PORT", "[IP]:PORT", "PORT" of all IPv4 addresses, "/PATH" or "@NAME", which *@ret_path is
 * then. False, with outputs undefined: none.
 */
bool client_read_address(const char *text, struct handoff_addr *ret,
			 char ret_path[HANDOFF_PATH_SIZE]);

void client_fill(const struct handoff_conn *conn, struct handoff_client *ret);

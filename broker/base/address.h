/*
 * address - IP addresses and ports as text, and the names of Unix sockets in the same form.
 *
 * Numbers only: a name would need a lookup, which may block, fail or change.
 *
 * The address of a Unix socket has family HANDOFF_UNIX, no port, and in .ip the number of its name
 * (paths.h): it is equal to itself alone, and overlaps and contains nothing else. With HANDOFF_UDP
 * it is for datagrams: ports of the other protocol are others.
 */
#pragma once

#include "base/paths.h"
#include "handoff_wire.h"

/*
 * Reads 127.0.0.1:80, [::]:80, [fe80::1%2]:80. A port alone (80, or *:80) is
 * every address, [::]:80, and sets *@ret_port_only. 0; -EINVAL: @ret_error says
 * what is wrong with @text and what to write instead, outputs are untouched.
 */
int address_parse(const char *text, struct handoff_addr *ret, bool *ret_port_only,
		  struct strbuf *ret_error);

/* 1 to 65535, digits only. 0 or -EINVAL, with *@ret untouched. */
int address_parse_port(const char *text, uint16_t *ret);

int address_of_unix(const char *name, struct handoff_addr *ret,
		    struct strbuf *error);		   /* as paths_number() */
struct handoff_addr address_of_path(uint16_t number);	   /* of base/paths.h */
const char *address_unix(const struct handoff_addr *addr); /* its name; NULL: it is none */

/* As it is told to others: what .ip of a Unix socket means is known here alone. */
struct handoff_addr address_outside(const struct handoff_addr *addr);

/* 127.0.0.1:80, [::1]:80, [fe80::1%2]:80, udp 127.0.0.1:69, /run/web.sock, @web; "none" where
 * family is 0. */
struct address_text {
	char text[PATHS_LEN + 1];
};
struct address_text address_text(const struct handoff_addr *addr);

/*
 * What an app listens on, whatever the address: a port, or a Unix socket, as a number above all
 * ports. address_app_port() is 0 for that.
 */
uint32_t address_app(const struct handoff_addr *addr);
uint16_t address_app_port(uint32_t app);
struct address_text address_app_text(uint32_t app);  /* 3000, /run/app.sock */
struct address_text address_app_words(uint32_t app); /* port 3000, /run/app.sock */

/* Whether both are the same to bind: family, port, address, zone and v6only. */
bool address_equal(const struct handoff_addr *a, const struct handoff_addr *b);

/*
 * Whether Linux refuses to listen on both: the same port, and the same address
 * or one that contains the other. [::] without HANDOFF_V6ONLY contains IPv4.
 */
bool address_overlap(const struct handoff_addr *a, const struct handoff_addr *b);

/* Whether all that comes to @b comes to a listener on @a, too, which is every address. */
bool address_contains(const struct handoff_addr *a, const struct handoff_addr *b);

/*
 * pins - connections of certain sources that go to a certain worker, past the round.
 *
 *	hand	"10.0.0.0/8 goes to web.1", for a time or until it is removed
 *	next	the next connection from any source goes to web.1, once
 *	debug	like hand, while that process is being debugged
 *
 * Of the pins that match a client, the one with the longest prefix applies, so a host can be an
 * exception from its network. Among equal prefixes, debug comes before hand, and hand before next.
 * The table is sorted by source: a search for each length of prefix that there is finds the pin.
 */
#pragma once

#include "base/strbuf.h"
#include "handoff_wire.h"

#define PINS_MAX	10000
#define PIN_WORKER_SIZE (HANDOFF_SERVICE_SIZE + 20)

enum pin_kind { PIN_NEXT, PIN_BY_HAND, PIN_DEBUG }; /* the last one first, see above */

/* A network. IPv4 as IPv6 shows it (::ffff:10.0.0.0/104) is held as IPv4. */
struct pin_source {
	uint8_t family; /* 4 or 6; 0: everybody */
	uint8_t prefix; /* bits */
	uint8_t ip[16]; /* network order, what is behind the prefix is 0 */
};

struct kept_pin { /* see kept.h */
	enum pin_kind kind;
	struct pin_source source;     /* everybody with PIN_NEXT */
	char worker[PIN_WORKER_SIZE]; /* its name */
	unsigned generation;	      /* of that one only; 0: of whichever has the name */
	int64_t expires_ms;	      /* on the caller's clock; 0: never */
	bool missed;		      /* the caller has said that it could not be kept */
};

struct pin {
	union {
		struct kept_pin kept;
		struct kept_pin;
	};
	void *way;	 /* the caller's: where it leads to, */
	uint64_t way_at; /* and since when; 0: that is to be found out */
};

/* All zero: an empty table. */
struct pins {
	size_t n; /* first: it is what the dispatcher looks at */
	struct pin
		*pin; /* owned: in the order of their sources; of equal ones, the last kind first */
	uint16_t with_prefix[2][129]; /* how many, by family (4 first) and length of prefix */
};

void pins_deinit(struct pins *pins);

/* Reads 10.0.0.0/8, 10.1.2.3, ::1. 0; -EINVAL with @ret_error, and *@ret is untouched. */
int pin_source_parse(const char *text, struct pin_source *ret, struct strbuf *ret_error);

/* In the form that can be parsed; a host without its prefix length; "any" for all sources. */
struct pin_source_text {
	char text[64];
};
struct pin_source_text pin_source_text(const struct pin_source *source);

extern const char *const pin_kind_names[];

/* The pin of that kind and source, or NULL. */
struct pin *pins_find(struct pins *pins, enum pin_kind kind, const struct pin_source *source);

/* Adds a copy. The one that it replaces, if any, goes to *@ret_old. 0; -ENOSPC: full; -ENOMEM. */
int pins_add(struct pins *pins, const struct pin *pin, struct pin *ret_old);

/* The first of these that is set says which pins go; none: all but those of debuggers. */
struct pin_filter {
	int64_t now_ms;			 /* those that have expired by then */
	unsigned generation;		 /* those that are for this one of .worker alone */
	const struct pin_source *source; /* as pin_fits(); but that of a debugger goes with its */
	const char *worker;		 /* worker's generation, and in no other way */
};

/* Takes one out into *@ret, until none is left: false. *@at: how many to look at, .n at first. */
bool pins_pop(struct pins *pins, const struct pin_filter *which, size_t *at, struct pin *ret);

/* When the first of them expires; 0: none does. */
int64_t pins_next_expiry(const struct pins *pins);

/* The pin for a client at @peer, or NULL. It stays where it is until the table is changed. */
struct pin *pins_match(struct pins *pins, const struct handoff_addr *peer);

/* A connection has gone to where @pin, of @pins, says. True: that was all it was for; it is out. */
bool pins_use(struct pins *pins, struct pin *pin);

/* Whether @pin is for that source and goes to that worker. NULL: whichever it is. */
bool pin_fits(const struct pin *pin, const struct pin_source *source, const char *worker);

/* Whether @pin means the worker of that name and generation. */
bool pin_names(const struct pin *pin, const char *worker, unsigned generation);

/*
 * limits - how many descriptors the broker's own servers may hold at once: what they bound, and
 * what the descriptor limit is checked against.
 */
#pragma once

#define CONTROL_CLIENTS_MAX 64
#define WEB_CLIENTS_MAX	    64

/* Clients, one that was just accepted, and for each of two servers its old and new socket. */
#define WEB_DESCRIPTORS (WEB_CLIENTS_MAX + 1 + 2 * 2)

/*
 * family.h - connections of the other family that go where our tables do not: to a program that is
 * executed, or to another process.
 *
 * The broker may listen on [::] for an app with an AF_INET socket. In this process the names of
 * such a connection are translated (MARK_WANT_V4). Before others see it, the kernel makes it what
 * it is for the app: an AF_INET socket. It cannot for a client that really is an IPv6 one, for one
 * that has closed its half already, nor the other way round.
 */
#pragma once

/* The connection at @fd, if it is one of those. Keeps errno; may run in a vfork child. */
void family_settle(int fd);

/* All that this process has. */
void family_settle_all(void);

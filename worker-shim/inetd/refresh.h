/*
 * refresh.h - what a program that is parked at its first read has taken from its process by then,
 * and would be the same in every connection: the environment that an interpreter has copied, and
 * random numbers that are drawn by then. Libc's are left alone: they may be of a fixed seed.
 *
 * Perl and python are told by their own functions for programs that embed them. They read at that
 * moment, where layers and signal handlers written in the language run, too.
 */
#pragma once

/* In a process that has a connection, before the program goes on. */
void refresh(void);

/*
 * shared.h - what the launcher tells libworker-inetd.so, in one variable of the environment:
 *
 *	main or first-read : process : rx : page : rendezvous : pool : descriptor 2, too : the
 *	library's path
 *
 * The descriptors are those of a channel, open in the program that is executed.
 */
#pragma once

#define PARK_VARIABLE "BROKER_PARK"
#define PARK_FORMAT   "%15[^:]:%d:%d:%d:%d:%u:%d:%4095s"
#define PARK_LIBRARY  "libworker-inetd.so"

/*
 * The value of LD_BIND_NOW before main, unless the service sets it: the addresses of functions are
 * looked up once, rather than in each process.
 */
#define PARK_BIND_NOW "parked"

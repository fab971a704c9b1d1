/*
 * handoff_kernel.h - names of the kernel's that the libc may be too old for. The numbers are the
 * same on every machine; a kernel that is as old says ENOSYS.
 */
#pragma once

#include <netinet/in.h>
#include <sys/syscall.h>

/* glibc 2.30 */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#define SYS_io_uring_setup    425
#define SYS_io_uring_enter    426
#define SYS_io_uring_register 427
#endif

/* glibc 2.31 */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* glibc 2.32 */
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* glibc 2.33 */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

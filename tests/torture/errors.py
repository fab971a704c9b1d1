"""Which errors a system call may really fail with, and which of its calls are made to."""

import errno
import os

SHORT = ["EMFILE", "ENFILE", "ENOMEM"]  # of descriptors, of memory
PLACE = ["EACCES", "ENOSPC", "EROFS", "EIO"]

ERRORS = {
    "accept4": ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EACCES",
                "ECONNABORTED", "EPROTO", "EINTR", "EAGAIN"],
    "sendmsg": ["ENOBUFS", "ETOOMANYREFS", "EAGAIN", "ECONNRESET", "EPIPE", "ENOMEM", "EINTR"],
    "sendto": ["ENOBUFS", "EAGAIN", "ECONNRESET", "EPIPE", "EINTR"],
    "recvmsg": ["EAGAIN", "ECONNRESET", "ENOMEM", "EINTR"],
    "recvfrom": ["EAGAIN", "ECONNRESET", "ENOMEM", "EINTR"],
    "epoll_wait": ["EINTR"],
    "epoll_pwait": ["EINTR"],
    "epoll_ctl": ["ENOMEM", "ENOSPC"],
    "close": ["EINTR", "EIO"],
    "read": ["EINTR", "EAGAIN", "EIO", "ENOMEM"],
    "write": ["EINTR", "EAGAIN", "ENOSPC", "EIO"],
    "writev": ["EINTR", "EAGAIN", "ENOSPC", "EIO"],
    "openat": SHORT + ["EACCES", "ENOENT", "EINTR"],
    "bind": ["EADDRINUSE", "EACCES", "EADDRNOTAVAIL"],
    "listen": ["EADDRINUSE"],
    "connect": ["ECONNREFUSED", "EAGAIN", "EINTR", "ENOENT"],
    "setsockopt": ["ENOMEM", "EPERM", "ENOPROTOOPT"],
    "getsockopt": ["ENOBUFS", "ENOPROTOOPT"],
    "getsockname": ["ENOBUFS"],
    "fork": ["EAGAIN", "ENOMEM"],
    "vfork": ["EAGAIN", "ENOMEM"],
    "clone": ["EAGAIN", "ENOMEM"],
    "clone3": ["EAGAIN", "ENOMEM"],
    "kill": ["EPERM", "ESRCH"],
    "pidfd_send_signal": ["EPERM", "ESRCH"],
    "mmap": ["ENOMEM"],
    "mprotect": ["ENOMEM"],
    "mkdir": PLACE,
    "mkdirat": PLACE,
    "unlink": PLACE,
    "unlinkat": PLACE,
    "rmdir": PLACE,
    "rename": PLACE,
    "renameat": PLACE,
    "ftruncate": PLACE,
    "chmod": ["EPERM", "EROFS"],
    "fchmod": ["EPERM", "EROFS"],
    "fchown": ["EPERM", "EROFS"],
    "getdents64": ["ENOENT", "EIO"],
    "flock": ["EAGAIN", "ENOLCK", "EINTR"],
    "fcntl": ["EINVAL", "ENOLCK"],
    "getrandom": ["EAGAIN", "EINTR", "ENOSYS", "EPERM"],
    "prctl": ["EINVAL", "EPERM"],
    "ioctl": ["ENOTTY", "EINVAL"],
    "pidfd_open": SHORT + ["EPERM", "ESRCH", "ENOSYS"],
    "memfd_create": SHORT + ["ENOSYS"],
    "poll": ["EINTR"],
    "ppoll": ["EINTR"],
}
for _name in "socket socketpair pipe2 eventfd2 epoll_create1 timerfd_create signalfd4 dup dup3".split():
    ERRORS[_name] = SHORT
OTHERS = ["EPERM", "ENOMEM"]

# They cannot fail, or not with what strace lets them return, or do not return.
NEVER = {
    "exit_group", "exit", "rt_sigreturn", "restart_syscall", "getpid", "gettid", "getppid", "getuid",
    "geteuid", "getgid", "getegid", "getpgrp", "getpgid", "getsid", "umask", "sched_yield", "alarm",
    "wait4", "brk", "clock_gettime", "gettimeofday", "munmap", "rt_sigprocmask", "rt_sigaction",
    "uname", "sysinfo",
    "set_tid_address", "set_robust_list", "rseq", "arch_prctl", "times", "getrusage",
}
# Of a call that may fail, what cannot: the kernel needs nothing for it.
NEVER_SO = ("EPOLL_CTL_DEL", "EPOLL_CTL_MOD")
# Pipes and descriptors of signals are read, too, which cannot fail so, and stay ready.
NOT_FOR_EVER = {"epoll_ctl", "read", "getsockopt"}
# Their cause has gone with the call that has failed: to fail for ever with it is no real fault.
PASSING = {"EINTR", "EAGAIN", "ECONNABORTED", "EPROTO", "ECONNRESET", "EPIPE", "ESRCH"}

# What is said of a call that has failed, in place of the error.
SAYS = {
    "access": "is missing",
    "fcntl": "--ready-fd",
    "flock": "another broker|another process",
    "newfstatat": "is not a regular file",
    "pread64": "cannot lock",
    "readlink": "is missing",
    "accept4": "worker-start",  # that no worker comes to the rendezvous is seen after start_timeout
}


def text(name):
    return os.strerror(getattr(errno, name))


def cases(counts, most):
    """
    [(call, when, error)] for {call: how often}: its first, its last and others between, `most` at
    most unless it has more errors; each error at least once.
    """
    chosen = []
    for call, n in sorted(counts.items()):
        if call in NEVER:
            continue
        errors = ERRORS.get(call, OTHERS)
        times = max(len(errors), min(n, most))
        for i in range(times):
            when = 1 + (i * (n - 1)) // max(1, times - 1)
            chosen.append((call, str(when), errors[i % len(errors)]))
    return sorted(set(chosen))


def lasting(counts, but):
    """[(call, "1+", error)]: from the first on, all fail; not of the calls in `but`."""
    return [
        (call, "1+", error)
        for call in sorted(counts)
        if call not in NEVER | NOT_FOR_EVER | but
        for error in ERRORS.get(call, OTHERS)
        if error not in PASSING
    ]

/*
 * proc - what /proc says about processes: parent, state, sockets; and a copy of a socket.
 *
 * It is a snapshot: a process may end while it is read. And it may hide processes of others
 * (hidepid=2, one that is not dumpable): "cannot be seen" is never "is not there".
 */
#pragma once

#include "sys/dir.h"
#include "sys/pid_set.h"

/*
 * Adds the children of all threads of @pid, but not their children. 0, also if @pid has ended;
 * -ENOMEM, -EMFILE, -ENFILE: they cannot be read now; -EAGAIN: so many end that some may be
 * missing; -EACCES: @pid lives, and is hidden.
 */
int proc_add_children(pid_t pid, struct pid_set *ret);

/*
 * The same in steps, a thread each, of which there may be thousands. 1: the children of the next
 * are added. 0: there is none. -errno as above, also if proc_threads_open() has just failed and
 * @dir is NULL.
 */
struct dir *proc_threads_open(pid_t pid); /* to be closed with dir_close() */
int proc_threads_next(struct dir *dir, pid_t pid, struct pid_set *ret);

/* Adds all descendants of those already in @set. As proc_add_children(): then some are missing. */
int proc_add_descendants(struct pid_set *set);

/* What /proc/PID/stat says at this moment. */
struct proc_stat {
	char state;  /* 'R', 'S', 'T', 't', 'Z', ...; 0: there is none, or it is hidden */
	bool ending; /* or has ended: what it was and had can no longer be read */
	pid_t parent;
	uint64_t rss_bytes; /* resident memory, shared pages included */
	uint64_t cpu_ms;    /* user and system, since its start */
};
struct proc_stat proc_stat(pid_t pid);

/* What /proc/PID/status says at this moment. */
struct proc_status {
	char state;	    /* as in proc_stat */
	bool filtered;	    /* its system calls, by seccomp(2) */
	pid_t tracer;	    /* a debugger, strace(1); 0: none */
	uint64_t scheduled; /* how often it has left a processor: the same twice, it has not run */
	int fds_end;	    /* its descriptors are below; 0: it cannot be known */
};
struct proc_status proc_status(pid_t pid);

/* Stopped by a signal (T), or by a tracer (t). */
static inline bool proc_state_is_stopped(char state)
{
	return state == 'T' || state == 't';
}

/* What the last look at a process saw; all zero at first. */
struct proc_look {
	pid_t pid;
	uint64_t scheduled;
};

/*
 * Whether @pid is stopped and stays stopped; @was: it was found to be. Under strace(1), or at a
 * conditional breakpoint, a working process is stopped again and again for an instant. So a process
 * that a tracer has stopped must be seen twice, by calls with the same @last, without having run in
 * between. And its tracer must be asleep, as at a prompt: a tracer that waits for a processor will
 * let it continue. If it was stopped, what counts is that it has not run since: a debugger at work
 * does not make it run. And the first look with @last is believed.
 */
bool proc_is_stopped(pid_t pid, struct proc_look *last, bool was);

/* How many descriptors the broker itself has open; 0 if that cannot be read. */
uint64_t proc_count_own_fds(void);

/* The short name as in /proc/PID/comm; "?" if it cannot be read. */
struct proc_name {
	char text[32];
};
struct proc_name proc_name(pid_t pid);

/*
 * The descriptors of @pid, one after the other. 1: the next one, and the inode if it is a socket,
 * else 0. 0: there is none. -errno, also if proc_fds_open() has just failed and @dir is NULL:
 * -ENOENT: no such process. -EACCES: not ours to see or read; or they may be listed, but not looked
 * at: without CAP_SYS_PTRACE root is in that place.
 */
struct dir *proc_fds_open(pid_t pid); /* to be closed with dir_close() */
int proc_fds_next(struct dir *dir, int *ret_fd, uint64_t *ret_inode);

/*
 * Copies descriptor @fd of the process of @pidfd, if it is still the socket @inode. 0: *@ret_fd is
 * the caller's, close-on-exec. -EBADF, -ESRCH: not any more. -EPERM: not allowed to, as for
 * ptrace(2): another user, a security module. -ENOSYS: a kernel before 5.6, or seccomp.
 */
int proc_fds_copy(int pidfd, int fd, uint64_t inode, int *ret_fd);

/* A socket of a process. */
struct proc_fd {
	pid_t pid;
	int fd;
	uint64_t inode;
};

/* Whether it still is. False also when it cannot be read. */
bool proc_fd_is(const struct proc_fd *socket);

enum proc_seen { PROC_NO, PROC_YES, PROC_UNKNOWN };

/* Whether @pid has the socket @inode open. PROC_UNKNOWN: it lives, but cannot be read. */
enum proc_seen proc_holds_socket(pid_t pid, uint64_t inode);

/*
 * Whether a thread of @pid waits in recvmsg(2) on the socket @inode. False also when it cannot be
 * read, for which the right to trace it is needed.
 */
bool proc_receives(pid_t pid, uint64_t inode);

/* Whether @pid has an io_uring open. */
bool proc_has_io_uring(pid_t pid);

/* Whether @pid is, or may be, in the middle of execve(2): it has no command line. */
bool proc_is_in_exec(pid_t pid);

/* Whether the environment that @pid was started with has "@name=@value". */
enum proc_seen proc_environ_has(pid_t pid, const char *name, const char *value);

/* How long all threads of @pid have run so far; 0: not known. */
uint64_t proc_run_ns(pid_t pid);

/*
 * Reads /proc/PID/@name, or of 0 /proc/@name, into @buf, at most @size - 1 bytes, terminated; of a
 * link: where it points. The bytes or -errno; -EACCES: not ours to read.
 */
ssize_t proc_read(pid_t pid, const char *name, char *buf, size_t size);
ssize_t proc_read_link(pid_t pid, const char *name, char *buf, size_t size);

/* The process that has the socket @inode open, searched among all; 0 if none is found. */
pid_t proc_find_socket_owner(uint64_t inode);

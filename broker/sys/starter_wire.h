/*
 * starter_wire - what the broker and its parent process (see parent.h) say to each other, over a
 * SOCK_SEQPACKET pair. Both may be of different versions.
 *
 *	START   -> DONE with the pid, and as descriptor the read end of the status pipe; or FAILED
 *	SIGNAL  -> DONE or FAILED
 *	RIGHTS  -> DONE or FAILED
 *	ENTER   -> DONE or FAILED
 *	NOTIFY  -> DONE or FAILED
 *	KEEP       is not answered
 *	HERE    -> DONE, when the broker has ended, and those ENDED that its state does not know;
 *		   or FAILED
 *	ENDED      comes by itself, for each process that the parent reaped
 *
 * Descriptors of START: its words, then the output, then the socket, as far as there are any; of
 * KEEP: the read end of the output, if it has one; of NOTIFY: the socket, or what goes with the
 * text; of ENTER: the directory.
 */
#pragma once

#include "sys/spawn.h"

#define STARTER_VERSION 1
#define STARTER_IDS_MAX 32

enum starter_type {
	STARTER_START = 1,
	STARTER_SIGNAL,
	STARTER_RIGHTS,
	STARTER_ENTER, /* the directory of processes that get no other; before any RIGHTS */
	STARTER_NOTIFY,
	STARTER_KEEP,
	STARTER_DONE,
	STARTER_FAILED,
	STARTER_ENDED,
	STARTER_HERE, /* @pid, the shadow, is the broker from now on */
};

/* What spawn_request has, but for its words. */
struct starter_start {
	struct spawn_ids ids; /* .change 0: those of the broker */
	uint64_t nofile_soft, nofile_hard;
	uint32_t gain, slot, socket_fds;
	uint32_t output_to_status, has_output; /* 0 or 1 */
	uint32_t n_argv, n_envp;
};

/* Who may be started; the first is what the broker itself becomes. */
struct starter_rights {
	uint32_t n;
	uint32_t stay; /* one is not as the first: the parent stays root; 0 or 1 */
	uint32_t gain; /* a program may get rights by its file; 0 or 1 */
	struct spawn_ids ids[STARTER_IDS_MAX];
};

/* .pid is 0 where it says nothing. */
struct starter_message {
	uint32_t version, type;
	uint32_t number; /* of a request; its answer has it, too */
	int32_t pid;
	union {
		struct starter_start start;
		/* To @pid, which is a child of the parent or in the group of one; or to @group. */
		struct {
			int32_t sig;
			uint32_t group;
		} signal;
		struct starter_rights rights;
		/* How @pid is ended if the broker is killed. Who was not named is told at once. */
		struct {
			int64_t drain_ms, stop_ms;
			int32_t sig;
			uint32_t reserved;
		} keep;
		/*
		 * For the service manager, which believes its main process alone: with @socket the
		 * one that all texts go to, given before any RIGHTS.
		 */
		struct {
			uint32_t socket; /* 0 or 1 */
			char text[1276];
		} notify;
		struct {
			int32_t error; /* an errno */
			char text[156];
		} failed;
		struct {
			int32_t status; /* as waitpid(2) gives it, also if it stopped or goes on */
		} ended;
		/* Of the state it has. What was started by a later request is killed. */
		struct {
			uint32_t last_request, n_ended; /* so many ENDED were heard */
			uint32_t resumes; /* 0 or 1: the next version has ended at once */
			/* Later signals it has not heard; of milliseconds, the low bits. 0: no
			 * matter. */
			uint32_t heard_ms;
		} here;
	};
};

static_assert(sizeof(struct spawn_ids) == 16 + 4 * SPAWN_MAX_GROUPS, "no padding");
static_assert(sizeof(struct starter_start) == sizeof(struct spawn_ids) + 48, "no padding");
static_assert(offsetof(struct starter_message, start) == 16, "no padding");

/* How long a message of @type is; 0: there is no such type. */
size_t starter_size(uint32_t type);

/* Whether @size bytes at @m are a message, each number of which is one that it may have. */
bool starter_check(const struct starter_message *m, size_t size);

/*
 * Puts the words of @req, each with its NUL, into a memfd, which is the caller's, and all else but
 * .ids into @ret. 0; -errno, with *@ret_fd -1.
 */
int starter_pack(const struct spawn_request *req, struct starter_start *ret, int *ret_fd);

/*
 * The other way round: gives @ret the words that @fd holds, where @start says how many there are.
 * They stay until the process ends. 0; -EBADMSG, -ENOMEM, -errno.
 */
int starter_unpack(const struct starter_start *start, int fd, struct spawn_request *ret);

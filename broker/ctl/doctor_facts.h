/*
 * doctor_facts - what the doctor has found out, as a value: gathered by doctor_process.c and by the
 * launcher, read by what judges and prints, which are pure.
 */
#ifndef BROKER_CTL_DOCTOR_FACTS_H
#define BROKER_CTL_DOCTOR_FACTS_H

#include <limits.h>
#include <sys/types.h>
#include "base/buf.h"
#include "handoff_wire.h"

#define DOCTOR_SCRIPTS	 8
#define DOCTOR_LISTENERS 64
#define DOCTOR_NOTES	 16
#define DOCTOR_NOTE_SIZE 640

/* The launcher's report; what is not in it is NULL. */
struct doctor_program {
	const char *path, *binary, *class, *machine, *linkage, *interpreter, *libc, *first, *go,
		*io_uring, *privilege, *verdict, *backend, *reason;
	const char *scripts[DOCTOR_SCRIPTS];
	size_t n_scripts;
};

/* One address that processes of the tree listen on. */
struct doctor_listener {
	struct handoff_addr addr;
	unsigned sockets; /* more than one: SO_REUSEPORT */
	unsigned holders; /* processes that have one of them */
	pid_t pid;	  /* the first of them */
	char name[32];
};

struct doctor_process {
	pid_t pid;
	uid_t uid;
	char user[64];
	bool same_user; /* as the one who asks */
	char name[32];
	char exe[PATH_MAX];
	char cwd[PATH_MAX];	       /* empty: not ours to read */
	unsigned children, unreadable; /* processes below it; those of the tree that kept shut */
	bool other_network;	       /* namespace: its sockets cannot be seen from here */
	bool other_root;	       /* mount namespace: its paths are not ours */
	bool io_uring;
	bool library;	  /* the preload library is mapped */
	char service[64]; /* of a worker: from its environment; else empty */
	char worker[96];
	bool node_cluster, pm2, listen_fds;
	struct doctor_listener listeners[DOCTOR_LISTENERS];
	size_t n_listeners;
};

struct doctor_facts {
	const char *const *command;	      /* NULL-terminated; empty where it cannot be read */
	struct doctor_program program;	      /* NULLs where there is no report */
	const struct doctor_process *process; /* NULL: a command was asked about */
};

struct doctor_notes {
	char text[DOCTOR_NOTES][DOCTOR_NOTE_SIZE];
	size_t n;
};

/*
 * Cuts @text, the launcher's report, into @ret, which points into it. Keys that are not known are
 * passed over. False if there is no verdict in it.
 */
bool doctor_report_parse(char *text, struct doctor_program *ret);

/* What a person should know before they put it behind the broker, most important first. */
void doctor_judge(const struct doctor_facts *facts, struct doctor_notes *ret);

/* Whether it can be served. */
bool doctor_can_serve(const struct doctor_facts *facts);

/* A section for broker.ini. Nothing where it cannot be served, or is served already. */
void doctor_section(const struct doctor_facts *facts, struct buf *out);

void doctor_print_text(const struct doctor_facts *facts, struct buf *out);
void doctor_print_json(const struct doctor_facts *facts, struct buf *out);

/*
 * Looks at the process @pid. 0; -ESRCH, -EACCES, -ENOMEM. *@ret_words, NULL-terminated, is its
 * command: one allocation, the caller's.
 */
int doctor_look(pid_t pid, struct doctor_process *ret, char ***ret_words);

#endif

/*
 * doctor_facts - what the doctor has found out, as a value. doctor_process.c and the launcher
 * gather it; doctor_judge.c says what it means; doctor_text.c shows it. Types only.
 */
#pragma once

#include <limits.h>
#include <sys/types.h>
#include "handoff_wire.h"

#define DOCTOR_SCRIPTS	 8
#define DOCTOR_LISTENERS 64

/* The launcher's report. What it does not say is NULL. */
struct doctor_program {
	const char *path, *binary, *class, *machine, *linkage, *interpreter, *libc, *first, *go,
		*io_uring, *privilege, *verdict, *backend, *reason;
	const char *scripts[DOCTOR_SCRIPTS];
	size_t n_scripts;
};

/* One address that the process or its children listen on. */
struct doctor_listener {
	struct handoff_addr addr;
	unsigned sockets; /* more than one: SO_REUSEPORT */
	unsigned holders; /* processes that have one of them */
	pid_t pid;	  /* the lowest of them */
	char name[32];
};

struct doctor_process {
	pid_t pid;
	uid_t uid;
	char user[64];
	bool same_user; /* as brokerctl's own */
	char name[32];
	char exe[PATH_MAX];
	char cwd[PATH_MAX];  /* empty: this user may not read it */
	unsigned children;   /* processes below it */
	unsigned unreadable; /* processes of the tree whose sockets this user may not see */
	bool other_network;  /* network namespace: we cannot see its sockets */
	bool other_root;     /* mount namespace: its paths are not ours */
	bool io_uring;
	bool library;	  /* the preload library is mapped */
	char service[64]; /* from the environment of a worker; else empty */
	char worker[96];
	bool node_cluster, pm2, listen_fds;
	struct doctor_listener listeners[DOCTOR_LISTENERS];
	size_t n_listeners;
};

struct doctor_facts {
	const char *const *command;	      /* NULL-terminated; empty: it cannot be read */
	struct doctor_program program;	      /* NULLs where there is no report */
	const struct doctor_process *process; /* NULL: the question is about a command */
};

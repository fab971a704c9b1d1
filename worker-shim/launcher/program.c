#include "program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include "handoff_rights.h"

/* What execvp(3) searches when PATH is not set. */
#define DEFAULT_PATH "/usr/local/bin:/bin:/usr/bin"

/* 0 if @path is a file that may be executed, else an errno. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return access(path, X_OK) < 0 ? errno : 0;
}

/* The first directory of @path that this user cannot pass: its errno, with its name; 0: none. */
static int find_blocked(const char *path, char ret[PATH_MAX])
{
	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		struct stat st;

		snprintf(ret, PATH_MAX, "%.*s", (int)(end - path), path);
		if (stat(ret, &st) < 0 || access(ret, X_OK) < 0)
			return errno;
		if (!S_ISDIR(st.st_mode))
			return ENOTDIR;
	}
	return 0;
}

/* What is to blame for @error, which need not be the file itself. */
static bool explain(const char *path, int error)
{
	char other[PATH_MAX] = "";
	int blocked = find_blocked(path, other);
	struct statvfs fs;
	ssize_t n;

	if (blocked == EACCES)
		return reason_refuse("%s: user %d may not pass through the directory %s: chmod +x "
				     "that, or put the program elsewhere",
				     path, (int)geteuid(), other);
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		if (blocked)
			return reason_set(LAUNCH_MISSING, "%s: no such file: %s is %s", path, other,
					  error == ENOENT ? "not there" : "not a directory");
		n = readlink(path, other, sizeof(other) - 1);
		if (n > 0)
			return reason_set(LAUNCH_MISSING,
					  "%s is a symbolic link to %.*s, which is not there", path,
					  (int)n, other);
		return reason_set(LAUNCH_MISSING, "%s: no such file", path);
	case EISDIR:
		return reason_refuse("%s is a directory, not a program", path);
	case EACCES:
		if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
			return reason_refuse("%s is on a file system that is mounted noexec: put "
					     "the program elsewhere, or mount it with exec",
					     path);
		return reason_refuse("%s is not executable for user %d: chmod +x it, or name its "
				     "interpreter in the command",
				     path, (int)geteuid());
	}
	return reason_refuse("%s: %s", path, strerror(error));
}

bool program_find(const char *command, char ret[PATH_MAX])
{
	const char *path = getenv("PATH"), *dir, *end;
	char denied[PATH_MAX] = "", candidate[PATH_MAX];
	int error;

	if (!*command)
		return reason_set(LAUNCH_MISSING, "the command is empty");
	if (strlen(command) >= PATH_MAX)
		return reason_set(LAUNCH_MISSING, "the command is too long");
	if (strchr(command, '/')) {
		error = executable(command);
		if (error)
			return explain(command, error);
		strcpy(ret, command);
		return true;
	}

	if (!path)
		path = DEFAULT_PATH;
	for (dir = path; dir; dir = *end ? end + 1 : NULL) {
		end = strchrnul(dir, ':');
		/* An empty entry is the working directory. */
		if (snprintf(candidate, PATH_MAX, "%.*s%s%s", (int)(end - dir), dir,
			     end == dir ? "./" : "/", command) >= PATH_MAX)
			continue;
		error = executable(candidate);
		if (!error) {
			strcpy(ret, candidate);
			return true;
		}
		if (error == EACCES && !*denied)
			strcpy(denied, candidate);
	}
	if (*denied)
		return explain(denied, EACCES);
	return reason_set(LAUNCH_MISSING, "%s: no such program in PATH (%s)", command, path);
}

struct file {
	void *bytes;
	size_t len;
};

static void file_close(struct file *file)
{
	if (file->bytes)
		(void)munmap(file->bytes, file->len);
}
#define _cleanup_file_ __attribute__((cleanup(file_close)))

/* 0 or an errno. An empty file has no bytes. */
static int file_open(const char *path, struct file *ret)
{
	__attribute__((cleanup(handoff_close_fd))) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *bytes;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	if (st.st_size == 0)
		return 0;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return errno;
	*ret = (struct file){ bytes, (size_t)st.st_size };
	return 0;
}

/* Puts the interpreter of @script, or what env will run for it, into program->binary. */
static bool follow(struct program *program, const struct script *script)
{
	char name[SCRIPT_LINE], from[PATH_MAX];
	bool is_env = script_env_name(script, name);

	strcpy(from, program->binary);
	program->by_env = program->by_env || is_env;
	if (program_find(script->interpreter, program->binary) &&
	    (!is_env || program_find(name, program->binary)))
		return true;
	return reason_set(reason.code, "%s: the interpreter in its first line: %.600s", from,
			  reason.text);
}

bool program_read(struct program *program)
{
	const char *binary = program->binary;

	strcpy(program->binary, program->path);
	for (int i = 0; i <= PROGRAM_SCRIPTS; i++) {
		_cleanup_file_ struct file file = { NULL, 0 };
		struct script script;
		int error = file_open(binary, &file);

		if (error)
			return reason_refuse("%s cannot be read (%s), so it cannot be checked: "
					     "make it readable for user %d",
					     binary, strerror(error), (int)geteuid());
		if (!file.len)
			return reason_refuse("%s is empty", binary);
		switch (elf_parse(file.bytes, file.len, &program->elf)) {
		case ELF_GOOD:
			return true;
		case ELF_BROKEN:
			return reason_refuse("%s is a damaged or incomplete program (ELF) file: "
					     "build or copy it again",
					     binary);
		case ELF_NONE:
			break;
		}
		if (!script_parse(file.bytes, file.len, &script))
			return reason_refuse("%s is neither a program (ELF) nor a script that "
					     "begins with #!: name its interpreter in the command",
					     binary);
		if (program->n_scripts < PROGRAM_SCRIPTS) {
			strcpy(program->arguments[program->n_scripts], script.argument);
			strcpy(program->scripts[program->n_scripts++], binary);
		}
		if (!follow(program, &script))
			return false;
	}
	return reason_refuse("%s: its interpreter is a script, whose interpreter is a script, and "
			     "so on, more than %d deep",
			     program->path, PROGRAM_SCRIPTS);
}

const char *program_machine(uint16_t machine)
{
	static const char *const names[] = {
		[EM_X86_64] = "x86-64", [EM_386] = "i386",    [EM_AARCH64] = "arm64",
		[EM_ARM] = "arm",	[EM_RISCV] = "riscv", [EM_PPC64] = "ppc64",
		[EM_S390] = "s390",
	};

	if (machine >= sizeof(names) / sizeof(names[0]) || !names[machine])
		return "another machine";
	return names[machine];
}

const char *program_privilege(const char *path)
{
	struct statvfs fs;
	struct stat st;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return NULL;
	if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID))
		return NULL;
	if (stat(path, &st) < 0)
		return NULL;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		return "setuid";
	/* Without the x bit the setgid bit means mandatory locking, not privilege. */
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
		return "setgid";
	/* To root a file capability is nothing that it lacks. */
	if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
		return "marked with file capabilities";
	return NULL;
}

/* Whether it can be loaded into the program. */
static bool check_library(const struct program *program, const char *library)
{
	const struct elf_info *elf = &program->elf;
	const char *binary = program->binary;
	_cleanup_file_ struct file file = { NULL, 0 };
	struct elf_info lib;
	int error = file_open(library, &file);

	if (error)
		return reason_refuse("the preload library %s: %s: install it, or name it with "
				     "--library",
				     library, strerror(error));
	if (elf_parse(file.bytes, file.len, &lib) != ELF_GOOD)
		return reason_refuse("the preload library %s is not a shared library: install it "
				     "again",
				     library);
	/* The dynamic linker splits LD_PRELOAD at both, and there is no quoting. */
	if (strpbrk(library, " :"))
		return reason_refuse("the preload library %s: its path must not contain a space "
				     "or a colon",
				     library);
	if (elf->bits != lib.bits || elf->machine != lib.machine || elf->endian != lib.endian)
		return reason_refuse("%s is a %d-bit program for %s, but worker-shim is %d-bit "
				     "for %s: use a build of the program for this machine",
				     binary, elf->bits, program_machine(elf->machine), lib.bits,
				     program_machine(lib.machine));
	return true;
}

/* Whether @backend sees what it does. */
static bool check_backend(const struct program *program, enum backend backend)
{
	const struct elf_info *elf = &program->elf;
	const char *what = program_privilege(program->binary);

	if (backend == BACKEND_PRELOAD && elf->raw)
		return reason_refuse("%s %s, so that the preload back end does not see its system "
				     "calls: set backend = auto",
				     program->binary,
				     elf->go ? "is a Go program" : "is statically linked");
	if (backend == BACKEND_TRAP && !elf->raw)
		return reason_refuse("%s is linked to libraries, whose calls the trap back end "
				     "does not see: set backend = auto",
				     program->binary);
	if (what)
		return reason_refuse("%s is %s, and such programs ignore LD_PRELOAD and are not "
				     "traced: start the worker as the user that it needs (user = "
				     "in its service), or remove the mark (chmod u-s,g-s; setcap "
				     "-r)",
				     program->binary, what);
	return true;
}

bool program_check(const struct program *program, enum backend *backend, const char *library)
{
	const struct elf_info *elf = &program->elf;

	if (*backend == BACKEND_AUTO)
		*backend = elf->raw ? BACKEND_TRAP : BACKEND_PRELOAD;
	if (*backend != BACKEND_NATIVE &&
	    (!check_library(program, library) || !check_backend(program, *backend)))
		return false;
	if (*elf->interp && access(elf->interp, X_OK) < 0)
		return reason_refuse("%s needs the dynamic linker %s, which is not on this "
				     "machine (%s): install the libc that it was built for",
				     program->binary, elf->interp, strerror(errno));
	return true;
}

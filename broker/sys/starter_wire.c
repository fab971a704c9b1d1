#include "sys/starter_wire.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/fd.h"

/* Of a command, or an environment: more than execve(2) takes. */
#define STRINGS_MAX (1u << 20)
#define BYTES_MAX   (8u << 20)

static bool ids_are_good(const struct spawn_ids *ids)
{
	return ids->change <= 1 && ids->n_groups <= SPAWN_MAX_GROUPS && ids->uid != (uid_t)-1 &&
	       ids->gid != (gid_t)-1;
}

static bool start_is_good(const struct starter_start *s)
{
	return ids_are_good(&s->ids) && s->gain <= GAIN_AUTO && s->socket_fds <= SPAWN_STATUS_FD &&
	       s->output_to_status <= 1 && s->has_output <= 1 && s->n_argv > 0 &&
	       s->n_argv <= STRINGS_MAX && s->n_envp <= STRINGS_MAX;
}

#define SIZE_WITH(part)                                                                            \
	(offsetof(struct starter_message, part) + sizeof(((struct starter_message *)0)->part))

size_t starter_size(uint32_t type)
{
	static const size_t sizes[] = {
		[STARTER_START] = SIZE_WITH(start),
		[STARTER_SIGNAL] = SIZE_WITH(signal),
		[STARTER_RIGHTS] = SIZE_WITH(rights),
		[STARTER_NOTIFY] = SIZE_WITH(notify),
		[STARTER_KEEP] = SIZE_WITH(keep),
		[STARTER_ENTER] = offsetof(struct starter_message, start),
		[STARTER_DONE] = offsetof(struct starter_message, start),
		[STARTER_FAILED] = SIZE_WITH(failed),
		[STARTER_ENDED] = SIZE_WITH(ended),
		[STARTER_HERE] = SIZE_WITH(here),
	};

	return type < ARRAY_SIZE(sizes) ? sizes[type] : 0;
}

static bool rights_are_good(const struct starter_message *m)
{
	for (size_t i = 0; i < m->rights.n && i < STARTER_IDS_MAX; i++)
		if (!ids_are_good(&m->rights.ids[i]))
			return false;
	return m->rights.n > 0 && m->rights.n <= STARTER_IDS_MAX && m->rights.stay <= 1 &&
	       m->rights.gain <= 1;
}

bool starter_check(const struct starter_message *m, size_t size)
{
	if (size < offsetof(struct starter_message, start) || m->version != STARTER_VERSION ||
	    size != starter_size(m->type))
		return false;
	switch ((enum starter_type)m->type) {
	case STARTER_START:
		return start_is_good(&m->start);
	case STARTER_SIGNAL:
		return m->pid > 1 && m->signal.sig >= 0 && m->signal.sig < NSIG &&
		       m->signal.group <= 1;
	case STARTER_RIGHTS:
		return rights_are_good(m);
	case STARTER_KEEP:
		return m->pid > 1 && m->keep.sig > 0 && m->keep.sig < NSIG &&
		       m->keep.drain_ms >= 0 && m->keep.stop_ms >= 0;
	case STARTER_NOTIFY:
		return m->notify.socket <= 1 &&
		       memchr(m->notify.text, '\0', sizeof(m->notify.text));
	case STARTER_ENTER:
	case STARTER_DONE:
		return m->pid == 0 || m->pid > 1;
	case STARTER_FAILED:
		return m->failed.error > 0 && memchr(m->failed.text, '\0', sizeof(m->failed.text));
	case STARTER_ENDED:
	case STARTER_HERE:
		return m->pid > 1;
	}
	return false;
}

/* --- words --------------------------------------------------------------------------------- */

#define PROCESS_TEXTS (sizeof(struct conf_process) / sizeof(char *))
#define TEXTS	      (4 + PROCESS_TEXTS)
static_assert(PROCESS_TEXTS == 7, "struct conf_process has texts only");

/* Those that a request has one of each, in their order. "" stands for NULL. */
static void list_texts(struct spawn_request *req, const char **ret[TEXTS])
{
	size_t n = 0;

	ret[n++] = &req->program;
	ret[n++] = &req->directory;
	ret[n++] = &req->commands[0];
	ret[n++] = &req->commands[1];
	for (size_t i = 0; i < PROCESS_TEXTS; i++)
		ret[n++] = (const char **)&req->process + i;
}

static void add_word(struct strbuf *out, const char *word)
{
	strbuf_add_bytes(out, word, strlen(word) + 1);
}

static uint32_t add_words(struct strbuf *out, char *const *words)
{
	uint32_t n = 0;

	for (; words && words[n]; n++)
		add_word(out, words[n]);
	return n;
}

int starter_pack(const struct spawn_request *req, struct starter_start *ret, int *ret_fd)
{
	_cleanup_fd_ int fd = memfd_create("start", MFD_CLOEXEC);
	struct strbuf words = STRBUF_GROWS(BYTES_MAX);
	struct spawn_request copy = *req;
	const char **texts[TEXTS];
	ssize_t n;
	int r = 0;

	list_texts(&copy, texts);
	for (size_t i = 0; i < TEXTS; i++)
		add_word(&words, *texts[i] ? *texts[i] : "");
	*ret = (struct starter_start){
		.nofile_soft = req->nofile.rlim_cur,
		.nofile_hard = req->nofile.rlim_max,
		.gain = req->gain,
		.slot = req->slot,
		.socket_fds = (uint32_t)req->socket_fds,
		.output_to_status = req->output_to_status,
		.has_output = req->output_fd >= 0,
		.n_argv = add_words(&words, req->argv),
		.n_envp = add_words(&words, req->envp ? req->envp : environ),
	};
	if (fd < 0 || words.cut)
		r = fd < 0 ? -errno : -E2BIG;
	else if ((n = write(fd, words.text, words.len)) != (ssize_t)words.len)
		r = n < 0 ? -errno : -EIO;
	strbuf_deinit(&words);
	*ret_fd = r < 0 ? -1 : fd_take(&fd);
	return r;
}

/* NULL: there is no more. */
static char *next_word(char **at, const char *end)
{
	char *word = *at, *nul = memchr(word, '\0', (size_t)(end - word));

	if (nul)
		*at = nul + 1;
	return nul ? word : NULL;
}

static char **next_words(uint32_t n, char **at, const char *end)
{
	char **words = calloc(n + 1, sizeof(*words));

	for (uint32_t i = 0; words && i < n; i++) {
		words[i] = next_word(at, end);
		if (words[i])
			continue;
		free(words);
		return NULL;
	}
	return words;
}

int starter_unpack(const struct starter_start *start, int fd, struct spawn_request *ret)
{
	struct stat st;
	const char **texts[TEXTS];
	char *at, *end, *text;

	if (fstat(fd, &st) < 0)
		return -errno;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	end = at + st.st_size;
	list_texts(ret, texts);
	for (size_t i = 0; i < TEXTS; i++) {
		text = next_word(&at, end);
		if (!text)
			return -EBADMSG;
		*texts[i] = *text ? text : NULL;
	}
	ret->argv = next_words(start->n_argv, &at, end);
	ret->envp = ret->argv ? next_words(start->n_envp, &at, end) : NULL;
	if (ret->program && ret->envp && at == end)
		return 0;
	free((void *)(uintptr_t)ret->argv);
	free((void *)(uintptr_t)ret->envp);
	return -EBADMSG;
}

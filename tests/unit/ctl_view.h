/* ctl_view.h - for tests of screens: a view out of lines, a screen as text. */
#pragma once

#include "base/strbuf.h"
#include "ctl/text.h"
#include "ctl/view.h"
#include "tap.h"

#define LINE_BROKER                                                                                \
	"{\"type\":\"broker\",\"schema\":1,\"version\":\"0.1.0\",\"pid\":4711,"                    \
	"\"state\":\"running\",\"uptime_ms\":273600000,\"time\":\"2026-11-22T15:37:44.123Z\","     \
	"\"config\":\"/etc/broker.ini\",\"run_dir\":\"/run/broker/1\"}"
#define LINE_SERVICE(members)                                                                      \
	"{\"type\":\"service\",\"service\":\"web\",\"generation\":3,\"workers\":2,"                \
	"\"ready\":2,\"state\":\"serving\",\"balance\":\"round-robin\"," members "}"
#define MEMBERS_QUIET "\"reload\":null,\"rollback_ms\":null," MEMBER_LEDGER
#define MEMBER_LEDGER                                                                              \
	"\"ledger\":{\"accepted\":1204,\"taken\":1200,\"waiting\":3,\"client_gone\":1,"            \
	"\"refused\":{\"no-worker\":0},\"balanced\":true,\"taken_back\":0}"
#define LINE_LISTENER                                                                              \
	"{\"type\":\"listener\",\"service\":\"web\",\"address\":\"0.0.0.0:80\","                   \
	"\"app_port\":3000,\"automatic\":false,\"state\":\"open\",\"backlog\":0,"                  \
	"\"backlog_max\":4096,\"overflows\":0,\"accepted\":1204}"
#define LINE_WORKER(name, members)                                                                 \
	"{\"type\":\"worker\",\"service\":\"web\",\"worker\":\"" name "\"," members "}"
#define MEMBERS_READY                                                                              \
	"\"slot\":0,\"guest\":false,\"pid\":812,\"generation\":3,\"state\":\"ready\","             \
	"\"state_ms\":91000,\"given\":602,\"waiting\":2,\"open\":1,\"rss_bytes\":1258291,"         \
	"\"cpu_ms\":1234,\"restarts\":0,\"tracer\":null,\"pinned_only\":false,\"why\":\"\""

static inline void add_line(struct view *view, const char *line)
{
	CHECK_EQ(view_add(view, line, strlen(line)), 0);
}

/* The text in @out, which is emptied and freed at the next call. */
static inline const char *text_of(struct strbuf *out)
{
	static char *text;

	CHECK(!out->cut);
	free(text);
	text = strndup(out->text ? out->text : "", out->len);
	CHECK(text);
	strbuf_deinit(out);
	return text;
}

/* Whether no line of @text is wider than @columns (of ASCII). */
static inline void check_width(const char *text, unsigned columns)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len > columns)
			tap_fail(__FILE__, __LINE__, "%zu columns: %.*s", len, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

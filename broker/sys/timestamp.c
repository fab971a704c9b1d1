#include "timestamp.h"

#include <time.h>

void timestamp_add(struct strbuf *out, const struct timeval *when)
{
	struct tm tm;

	gmtime_r(&when->tv_sec, &tm);
	strbuf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(when->tv_usec / 1000));
}

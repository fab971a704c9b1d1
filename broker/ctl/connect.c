#include "connect.h"

#include <string.h>
#include "config/conf.h"
#include "ctl/out.h"

enum ctl_exit ctl_connect(struct ctl *ctl)
{
	STRBUF(error, CONF_ERROR_BYTES + 1024);
	int r = find_broker(&ctl->find, &ctl->client, &error);

	if (r == 0)
		return CTL_OK;
	out_error("%s", error.len ? error.text : strerror(-r));
	return CTL_NO_BROKER;
}

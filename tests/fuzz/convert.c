/* links: broker/ctl/convert_read broker/ctl/convert_service broker/base/strbuf */
/* links: broker/base/address broker/base/words broker/base/units broker/config/conf_read */
/* links: broker/config/conf_check broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/option_word broker/config/health_probe */
/* links: broker/config/conf tests/harness/fuzz_paths */
/* Files of inetd and xinetd, and the configuration's reader with what becomes of them. */
#include "ctl/convert_read.h"
#include "config/conf.h"
#include "fuzz.h"

static const char services[] =
	"echo 7/tcp\necho 7/udp\nftp 21/tcp\nsmtp 25/tcp mail\ntftp 69/udp\n";

static void include(struct convert *c, const char *path, bool is_directory)
{
	convert_remark(c, "include %s%s", path, is_directory ? "/" : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conf_facts facts = { .cpus = 1, .base_dir = "/" };
	struct convert *c = calloc(1, sizeof(*c));
	char *text = fuzz_text(data, size);
	STRBUF(error, CONF_ERROR_BYTES);
	struct conf *conf = NULL;

	MUST(c);
	c->services = services;
	c->include = include;
	c->out = STRBUF_GROWS(1 << 24);
	c->errors = STRBUF_GROWS(1 << 24);
	convert_read(c, "inetd.conf", text);
	MUST(!c->out.cut && !c->errors.cut);
	(void)conf_parse("broker.ini", c->out.text ? c->out.text : "", c->out.len, &facts, &conf,
			 &error);
	conf_free(conf);
	strbuf_deinit(&c->out);
	strbuf_deinit(&c->errors);
	free(c);
	free(text);
	fuzz_forget_paths();
	return 0;
}

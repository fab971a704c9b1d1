/* completion: for the shell's start file to read. */
#include "ctl/completion_text.h"
#include "ctl/ctl.h"
#include "ctl/out.h"

enum ctl_exit ctl_completion(struct ctl *ctl)
{
	struct buf text = BUF_INIT(1 << 20);

	completion_text(ctl->request.arguments[0].text, &text);
	out_buf(&text);
	return CTL_OK;
}

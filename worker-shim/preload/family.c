#include "family.h"

#include "owner.h"
#include "real.h"
#include "slot.h"

#include <netinet/in.h>

#define OPT_ADDRFORM 1 /* IPV6_ADDRFORM */

void family_settle(int fd)
{
	_keep_errno_ int saved = errno;
	const int family = AF_INET;

	if (mark_kind(table_mark(fd)) == MARK_WANT_V4 &&
	    real.setsockopt(fd, IPPROTO_IPV6, OPT_ADDRFORM, &family, sizeof(family)) == 0 &&
	    owner_is_me())
		slot_mark(fd, 0);
}

void family_settle_all(void)
{
	int end = atomic_load(&table_end);

	for (int fd = 0; fd < end; fd++)
		family_settle(fd);
}

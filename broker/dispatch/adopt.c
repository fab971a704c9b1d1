#include "dispatch/adopt.h"

#include "dispatch/channel.h"
#include "dispatch/flow.h"
#include "dispatch/listener.h"

void channel_keep(const struct channel *c, struct strbuf *out)
{
	struct kept_channel *k = kept_add(out, KEPT_CHANNEL, &c->kept);

	if (!k)
		return;
	k->in_round = channel_is_in_round(c);
	k->is_next = c->endpoint->round.cursor == &c->member.link;
	k->limit = c->member.limit;
	k->load = c->member.load;
	k->said = c->member.said;
	k->turn = c->member.turn;
	k->page_fd = c->page.fd;
	k->page_size = c->page.size;
	k->verdict_at_ms = loop_timer_at(&c->verdict);
}

/* As it was: a worker that drains with its whole service is in the round although its gate is shut.
 */
static void join(struct endpoint *e, struct channel *c)
{
	c->member.limit = c->limit;
	c->member.waiting = channel_loop(c)->dry ? 0 : channel_waiting(c);
	c->member.load = c->load;
	c->member.said = c->said;
	c->member.turn = c->turn;
	if (e->round.turns < c->turn)
		e->round.turns = c->turn;
	if (c->in_round)
		balancer_add(&e->round, &c->member);
	if (c->is_next)
		e->round.cursor = &c->member.link;
}

int channel_adopt(struct taker *t, struct endpoint *e, const struct kept_channel *k,
		  struct channel **ret)
{
	struct channel *c = channel_make(t, e);
	struct loop *loop = &t->dispatch->broker->loop;
	int r;

	if (!c)
		return -ENOMEM;
	c->kept = *k;
	r = loop_add(loop, &c->wake, c->tx, 0);
	if (r == 0 && k->page_fd >= 0 && !loop->dry)
		r = page_adopt(&c->page, k->page_fd, k->page_size);
	if (r < 0) {
		loop_remove(loop, &c->wake);
		free(c);
		return r;
	}
	if (loop->dry) {
		c->page.fd = k->page_fd;
		c->page.size = k->page_size;
	}
	e->n_channels++;
	list_append(&t->channels, &c->link);
	t->dispatch->in_use += channel_in_use(c);
	join(e, c);
	/* It tells at once, if it is of use. */
	if (channel_is_in_round(c))
		loop_modify(loop, &c->wake, EPOLLOUT | EPOLLET);
	loop_timer_resume(loop, &c->verdict, k->verdict_at_ms);
	*ret = c;
	return 0;
}

struct kept_listener listener_keep(const struct listener *l)
{
	struct kept_listener k = l->kept;

	k.device = l->file.dev;
	k.inode = l->file.inode;
	return k;
}

struct listener *listener_adopt(struct dispatch *d, struct endpoint *e,
				const struct kept_listener *k)
{
	struct listener *l = listener_new(d, &k->addr, k->app, k->automatic, k->fd, k->bound_only);

	if (!l)
		return NULL;
	l->kept = *k;
	l->file = (struct unix_file){ .dev = k->device, .inode = k->inode };
	if (e)
		listener_attach(l, e);
	return l;
}

/*
 * list.h - an intrusive, circular, doubly linked list.
 *
 * A link that is on no list points to itself, so list_remove() may be called
 * twice and a destructor need not know whether its object was ever linked.
 * Every link member says in a comment on which list it is.
 */
#pragma once

#include "base/util.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Puts @item in front of @pos: with the head as @pos, at the end. */
static inline void list_append(struct list *pos, struct list *item)
{
	item->prev = pos->prev;
	item->next = pos;
	pos->prev->next = item;
	pos->prev = item;
}

static inline void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

static inline size_t list_count(const struct list *head)
{
	size_t n = 0;

	for (const struct list *l = head->next; l != head; l = l->next)
		n++;
	return n;
}

#define list_first(head, type, member)                                                             \
	(list_empty(head) ? NULL : container_of((head)->next, type, member))

/* The first @type *@it for which @condition holds; NULL: none. */
#define list_find(type, it, head, member, condition)                                               \
	({                                                                                         \
		type *found_ = NULL;                                                               \
		list_for_each (type, it, head, member)                                             \
			if (condition) {                                                           \
				found_ = it;                                                       \
				break;                                                             \
			}                                                                          \
		found_;                                                                            \
	})

/* Declares @type *@it, for the loop. The body must not remove @it; list_for_each_safe may. */
#define list_for_each(type, it, head, member)                                                      \
	for (type *it = container_of((head)->next, type, member); &it->member != (head);           \
	     it = container_of(it->member.next, type, member))

#define list_for_each_safe(type, it, tmp, head, member)                                            \
	for (type *it = container_of((head)->next, type, member),                                  \
		  *tmp = container_of(it->member.next, type, member);                              \
	     &it->member != (head); it = tmp, tmp = container_of(it->member.next, type, member))

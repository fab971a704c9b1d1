#include "heap.h"

/* Both are the first of their siblings, and have none; either may be NULL. */
static struct heap_node *meld(const struct heap *h, struct heap_node *a, struct heap_node *b)
{
	if (!a || !b)
		return a ? a : b;
	if (h->before(b, a)) {
		struct heap_node *first = b;

		b = a;
		a = first;
	}
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	b->prev = a;
	a->child = b;
	return a;
}

/* Melds @first and its siblings: in pairs, then all pairs. This order makes it logarithmic. */
static struct heap_node *combine(const struct heap *h, struct heap_node *first)
{
	struct heap_node *pairs = NULL, *all = NULL;

	while (first) {
		struct heap_node *a = first, *b = a->next, *pair;

		first = b ? b->next : NULL;
		a->next = NULL;
		if (b)
			b->next = NULL;
		pair = meld(h, a, b);
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs) {
		struct heap_node *pair = pairs;

		pairs = pair->next;
		pair->next = NULL;
		all = meld(h, all, pair);
	}
	return all;
}

static void set_root(struct heap *h, struct heap_node *root)
{
	h->root = root;
	if (root)
		root->prev = root;
}

void heap_insert(struct heap *h, struct heap_node *n)
{
	*n = (struct heap_node){ .child = NULL };
	set_root(h, meld(h, h->root, n));
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	struct heap_node *below;

	if (!heap_linked(n))
		return;
	below = combine(h, n->child);
	if (n == h->root) {
		set_root(h, below);
	} else {
		if (n->prev->child == n)
			n->prev->child = n->next;
		else
			n->prev->next = n->next;
		if (n->next)
			n->next->prev = n->prev;
		set_root(h, meld(h, h->root, below));
	}
	*n = (struct heap_node){ .child = NULL };
}

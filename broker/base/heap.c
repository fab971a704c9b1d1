#include "heap.h"

/* Puts the first of @a and @b, which may be NULL, at *@at, and all others below it. */
static void meld(const struct heap *h, struct heap_node *a, struct heap_node *b,
		 struct heap_node **at)
{
	while (a && b) {
		bool swap = h->before(b, a);
		struct heap_node *first = swap ? b : a;

		b = swap ? a : b;
		a = first->right;
		/* The sides change places: what grew is left alone next, which makes it
		 * logarithmic. */
		first->right = first->left;
		if (first->right)
			first->right->at = &first->right;
		first->at = at;
		*at = first;
		at = &first->left;
	}
	*at = a ? a : b;
	if (*at)
		(*at)->at = at;
}

void heap_insert(struct heap *h, struct heap_node *n)
{
	*n = (struct heap_node){ .at = NULL };
	meld(h, h->root, n, &h->root);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	if (!heap_linked(n))
		return;
	meld(h, n->left, n->right, n->at);
	*n = (struct heap_node){ .at = NULL };
}

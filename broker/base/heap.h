/*
 * heap - an intrusive skew heap (Sleator and Tarjan): the first of many in an order.
 *
 * Nodes are embedded in their owners, so nothing is allocated. Inserting and removing, of any node,
 * take O(log n) on average over many.
 */
#pragma once

#include "base/util.h"

struct heap_node {
	struct heap_node *left, *right; /* both come after it */
	struct heap_node **at;		/* what points to it; NULL: in no heap */
};

struct heap {
	struct heap_node *root; /* the first; NULL: there is none */
	/* True if @a comes before @b. Nodes that are equal come in any order. */
	bool (*before)(struct heap_node *a, struct heap_node *b);
};

static inline bool heap_linked(const struct heap_node *n)
{
	return n->at;
}

/* @n is in no heap. */
void heap_insert(struct heap *h, struct heap_node *n);
void heap_remove(struct heap *h, struct heap_node *n); /* in no heap: nothing happens */

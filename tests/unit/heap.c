/* links: broker/base/heap */
#include "base/heap.h"
#include "tap.h"

#define MAX 300

struct item {
	struct heap_node node;
	unsigned key;
};

static struct item items[MAX];
static unsigned n_compared;

static bool before(struct heap_node *a, struct heap_node *b)
{
	n_compared++;
	return container_of(a, struct item, node)->key < container_of(b, struct item, node)->key;
}

static struct heap h = { .before = before };

static unsigned lowest(void)
{
	unsigned key = UINT32_MAX;

	for (unsigned i = 0; i < MAX; i++)
		if (heap_linked(&items[i].node) && items[i].key < key)
			key = items[i].key;
	return key;
}

static unsigned first_key(void)
{
	return h.root ? container_of(h.root, struct item, node)->key : UINT32_MAX;
}

TEST(an_empty_heap_has_no_first)
{
	struct item alone = { .key = 1 };

	CHECK(!h.root);
	CHECK(!heap_linked(&alone.node));
	heap_remove(&h, &alone.node);
	heap_insert(&h, &alone.node);
	CHECK(h.root == &alone.node);
	CHECK(heap_linked(&alone.node));
	heap_remove(&h, &alone.node);
	heap_remove(&h, &alone.node);
	CHECK(!h.root);
	CHECK(!heap_linked(&alone.node));
}

/* Any may come or go at any time; the first is always the lowest. A fixed generator: a failure
 * repeats. */
TEST(the_first_is_the_lowest_whatever_comes_and_goes)
{
	uint32_t x = 1;

	for (unsigned step = 0; step < 20000; step++) {
		struct item *item;

		x = x * 1664525 + 1013904223;
		item = &items[(x >> 16) % MAX];
		if (heap_linked(&item->node)) {
			heap_remove(&h, &item->node);
		} else {
			item->key = (x >> 4) % 1000;
			heap_insert(&h, &item->node);
		}
		CHECK_EQ(first_key(), lowest());
	}
	while (h.root) {
		CHECK_EQ(first_key(), lowest());
		heap_remove(&h, h.root);
	}
}

/* A list would compare MAX / 2 of them each time. */
TEST(taking_the_first_costs_a_logarithm)
{
	for (unsigned i = 0; i < MAX; i++) {
		items[i].key = i * 7919 % MAX;
		heap_insert(&h, &items[i].node);
	}
	n_compared = 0;
	for (unsigned i = 0; i < MAX; i++)
		heap_remove(&h, h.root);
	CHECK(n_compared < MAX * 20);
	CHECK(!h.root);
}

TAP_MAIN()

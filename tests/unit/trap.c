/* links: worker-shim/trap/filter worker-shim/launcher/text */
#include "launcher/text.h"
#include "tap.h"
#include "trap/filter.h"

#define ARCH 0xc000003eu
#define ANY  (-1)
enum { TRAPPED = 0x00030000, ALLOWED = 0x7fff0000 };

static const int calls[] = { 49, 50, 288 };

static struct filter_instruction filter[FILTER_MAX];
static size_t n;

static void build_if(const struct trap_params *text, const struct filter_condition *condition)
{
	n = filter_build(text, ARCH, calls, sizeof(calls) / sizeof(calls[0]), condition, filter);
	CHECK(n > 0 && n <= FILTER_MAX);
}

static void build(const struct trap_params *text, int fd)
{
	const struct filter_condition is_it = { .value = (uint32_t)fd };

	build_if(text, fd == ANY ? NULL : &is_it);
}

/* What the kernel makes of it: struct seccomp_data, and the few instructions that are used. */
static uint32_t run(uint32_t nr, uint32_t arch, uint64_t pointer, uint64_t first)
{
	const struct {
		uint32_t nr, arch;
		uint64_t pointer, args[6];
	} data = { nr, arch, pointer, { first } };
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++) {
		const struct filter_instruction *f = &filter[i];

		switch (f->code) {
		case 0x20:
			CHECK(f->number + 4 <= sizeof(data));
			memcpy(&value, (const char *)&data + f->number, 4);
			break;
		case 0x15:
			i += value == f->number ? f->yes : f->no;
			break;
		case 0x35:
			i += value >= f->number ? f->yes : f->no;
			break;
		case 0x06:
			return f->number;
		default:
			CHECK(!"an instruction that is not expected");
		}
	}
	CHECK(!"the end of the filter");
	return 0;
}

static const struct trap_params two = {
	.n_ranges = 2,
	.text = { { 0x401000, 0x480000 }, { 0x7f1200000000, 0x7f1200002000 } },
};

TEST(only_the_calls_from_the_text_are_trapped)
{
	static const struct {
		uint32_t nr, arch;
		uint64_t pointer;
		uint32_t want;
	} cases[] = {
		{ 49, ARCH, 0x401000, TRAPPED },       { 288, ARCH, 0x47fff0, TRAPPED },
		{ 50, ARCH, 0x7f1200001000, TRAPPED }, { 49, ARCH, 0x400fff, ALLOWED },
		{ 49, ARCH, 0x480000, ALLOWED },       { 49, ARCH, 0x7f1200401000, ALLOWED },
		{ 49, ARCH, 0x7f1100001000, ALLOWED }, { 49, ARCH, 0x100401000, ALLOWED },
		{ 48, ARCH, 0x401000, ALLOWED },       { 0, ARCH, 0x401000, ALLOWED },
		{ 49, ARCH - 1, 0x401000, ALLOWED },
	};

	build(&two, ANY);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_EQ(run(cases[i].nr, cases[i].arch, cases[i].pointer, 99), cases[i].want);
}

TEST(or_only_those_of_one_descriptor)
{
	build(&two, 7);
	CHECK_EQ(run(49, ARCH, 0x401000, 7), TRAPPED);
	CHECK_EQ(run(49, ARCH, 0x7f1200001000, 7), TRAPPED);
	CHECK_EQ(run(49, ARCH, 0x401000, 8), ALLOWED);
	CHECK_EQ(run(48, ARCH, 0x401000, 7), ALLOWED);
	CHECK_EQ(run(49, ARCH, 0x500000, 7), ALLOWED);
	/* An int, with whatever the program has left in the upper half of the register. */
	CHECK_EQ(run(49, ARCH, 0x401000, 0xdead00000007), TRAPPED);
}

TEST(or_only_those_with_an_argument)
{
	const struct filter_condition given = { .argument = 0, .differs = true };

	build_if(&two, &given);
	CHECK_EQ(run(49, ARCH, 0x401000, 0), ALLOWED);
	CHECK_EQ(run(49, ARCH, 0x401000, 0x7ffe1000), TRAPPED);
	CHECK_EQ(run(49, ARCH, 0x500000, 0x7ffe1000), ALLOWED);
}

TEST(as_many_ranges_as_there_may_be)
{
	struct trap_params text = { .n_ranges = TRAP_RANGES };

	for (uint64_t i = 0; i < TRAP_RANGES; i++)
		text.text[i] = (struct trap_range){ i << 32, (i << 32) + 0x1000 };
	build(&text, 3);
	for (uint64_t i = 0; i < TRAP_RANGES; i++) {
		CHECK_EQ(run(49, ARCH, (i << 32) + 0x800, 3), TRAPPED);
		CHECK_EQ(run(49, ARCH, (i << 32) + 0x1800, 3), ALLOWED);
	}
}

TEST(the_text_is_what_of_the_file_can_be_executed)
{
	struct trap_params text = { 0 };

	CHECK(text_add("00400000-00401000 r--p 00000000 fe:01 1234    /a\n", 1234, &text));
	CHECK(text_add("00401000-00480000 r-xp 00001000 fe:01 1234    /a b\n", 1234, &text));
	CHECK(text_add("7f00401000-7f00480000 r-xp 00001000 fe:01 1235    /c\n", 1234, &text));
	CHECK(text_add("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   [vsyscall]\n",
		       1234, &text));
	CHECK(text_add("nothing\n", 1234, &text) && text_add("", 1234, &text));
	CHECK_EQ(text.n_ranges, 1);
	CHECK_EQ(text.text[0].from, 0x401000);
	CHECK_EQ(text.text[0].to, 0x480000);
}

TEST(it_is_cut_where_the_upper_half_of_an_address_changes)
{
	struct trap_params text = { 0 };

	CHECK(text_add("1fffff000-300001000 r-xp 0 0:0 1 /a\n", 1, &text));
	CHECK_EQ(text.n_ranges, 3);
	CHECK(text.text[0].to == 0x200000000 && text.text[1].to == 0x300000000);
	CHECK(text.text[2].from == 0x300000000 && text.text[2].to == 0x300001000);
	build(&text, ANY);
	CHECK_EQ(run(49, ARCH, 0x1fffff800, 0), TRAPPED);
	CHECK_EQ(run(49, ARCH, 0x200000000, 0), TRAPPED);
	CHECK_EQ(run(49, ARCH, 0x2ffffff00, 0), TRAPPED);
	CHECK_EQ(run(49, ARCH, 0x300000800, 0), TRAPPED);
	CHECK_EQ(run(49, ARCH, 0x300001000, 0), ALLOWED);
	CHECK(!text_add("0-ffffffffff r-xp 0 0:0 1 /a\n", 1, &text));
	CHECK_EQ(text.n_ranges, TRAP_RANGES);
}

TEST(what_the_launcher_leaves_is_all_but_what_the_kernel_gives)
{
	struct trap_params p = { 0 };

	text_add_old("5000-6000 r--p 0 0:0 1 /worker-shim\n", &p);
	text_add_old("6000-7000 r-xp 0 0:0 1 /worker-shim\n", &p);
	text_add_old("9000-a000 rw-p 0 0:0 0     [heap]\n", &p);
	text_add_old("b000-c000 rw-p 0 0:0 0     [stack]\n", &p);
	text_add_old("c000-d000 r-xp 0 0:0 0     [vdso]\n", &p);
	text_add_old("nothing\n", &p);
	CHECK_EQ(p.n_old, 2);
	CHECK(p.old[0].from == 0x5000 && p.old[0].to == 0x7000);
	CHECK(p.old[1].from == 0x9000 && p.old[1].to == 0xa000);
	for (int i = 0; i < 2 * TRAP_RANGES; i++)
		text_add_old(i % 2 ? "1000-2000 rw-p 0 0:0 0\n" : "3000-4000 rw-p 0 0:0 0\n", &p);
	CHECK_EQ(p.n_old, TRAP_RANGES);
}

TAP_MAIN()

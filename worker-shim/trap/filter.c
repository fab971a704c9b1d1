#include "filter.h"

#define LOAD	   0x20 /* BPF_LD | BPF_W | BPF_ABS */
#define IF_EQUAL   0x15 /* BPF_JMP | BPF_JEQ | BPF_K */
#define IF_ATLEAST 0x35 /* BPF_JMP | BPF_JGE | BPF_K */
#define RETURN	   0x06 /* BPF_RET | BPF_K */

#define ALLOW 0x7fff0000u
#define TRAP  0x00030000u

/* Offsets in struct seccomp_data. */
#define NUMBER	    0
#define ARCH	    4
#define POINTER	    8 /* of the instruction; its lower half here, as both machines have it */
#define POINTER_TOP 12
#define FIRST	    16 /* argument */

/* Steps over @n instructions if it holds, over @otherwise if not. */
static struct filter_instruction test(uint16_t code, uint64_t number, size_t n, size_t otherwise)
{
	return (struct filter_instruction){ code, (uint8_t)n, (uint8_t)otherwise,
					    (uint32_t)number };
}

static struct filter_instruction load(uint32_t offset)
{
	return (struct filter_instruction){ .code = LOAD, .number = offset };
}

static struct filter_instruction end(uint32_t action)
{
	return (struct filter_instruction){ .code = RETURN, .number = action };
}

size_t filter_build(const struct trap_params *text, uint32_t arch, const int *calls, size_t n_calls,
		    const struct filter_condition *condition,
		    struct filter_instruction ret[FILTER_MAX])
{
	struct filter_instruction *f = ret;

	*f++ = load(ARCH);
	*f++ = test(IF_EQUAL, arch, 1, 0);
	*f++ = end(ALLOW);
	*f++ = load(NUMBER);
	for (size_t i = 0; i < n_calls; i++)
		*f++ = test(IF_EQUAL, (uint64_t)calls[i], n_calls - i, 0);
	*f++ = end(ALLOW);
	if (condition) {
		size_t none = 5 * text->n_ranges;

		*f++ = load(FIRST + 8 * condition->argument);
		*f++ = test(IF_EQUAL, condition->value, condition->differs ? none : 0,
			    condition->differs ? 0 : none);
	}
	for (size_t i = 0; i < text->n_ranges; i++) {
		size_t trap = 5 * (text->n_ranges - i) - 4;

		*f++ = load(POINTER_TOP);
		*f++ = test(IF_EQUAL, text->text[i].from >> 32, 0, 3);
		*f++ = load(POINTER);
		*f++ = test(IF_ATLEAST, text->text[i].from, 0, 1);
		/* The last byte of a range is in it; so its end may be a multiple of 4 GiB. */
		*f++ = test(IF_ATLEAST, text->text[i].to - 1, 0, trap);
	}
	*f++ = end(ALLOW);
	*f++ = end(TRAP);
	return (size_t)(f - ret);
}

/*
 * arch.h - the machine: how a system call is made, and what registers hold when one was trapped.
 * The only file that differs between machines, and the only assembly; the launcher uses it, too.
 */
#pragma once

#include <stdint.h>
#include <ucontext.h>

#if defined(__x86_64__)

#define ARCH_AUDIT 0xc000003eu
#define ARCH_RSEQ  0x53053053 /* before code that libc has the kernel start again */
#define ARCH_PAGE  "4096"     /* the largest that a kernel has */

static inline long arch_call(long nr, const long a[6])
{
	register long r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static inline void arch_arguments(const ucontext_t *uc, long ret[6])
{
	static const uint8_t at[6] = { REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9 };

	for (int i = 0; i < 6; i++)
		ret[i] = (long)uc->uc_mcontext.gregs[at[i]];
}

static inline void arch_answer(ucontext_t *uc, long r)
{
	uc->uc_mcontext.gregs[REG_RAX] = r;
}

/*
 * trap_handler and trap_start begin a chain of frames: the first has no frame before it, and beside
 * that is the place of errno (libc.c). What trap_start does then: params.h, which has the stack
 * first and then the entry.
 */
#define ARCH_ENTRIES                                                                               \
	__asm__(".pushsection .text.entries, \"ax\"\n"                                             \
		".globl trap_handler\ntrap_handler:\n"                                             \
		"sub $8, %rsp\npush $0\npush $0\nmov %rsp, %rbp\n"                                 \
		"call trap_handle\nadd $24, %rsp\nret\n"                                           \
		".globl trap_return\ntrap_return:\nmov $15, %eax\nsyscall\n"                       \
		".globl trap_start\ntrap_start:\n"                                                 \
		"push %rbp\npush $0\npush $0\nmov %rsp, %rbp\n"                                    \
		"call trap_init\nadd $16, %rsp\npop %rbp\n"                                        \
		"mov 8+trap_params(%rip), %rcx\ntest %rcx, %rcx\njnz 1f\nint3\n"                   \
		"1: test %rax, %rax\njz 2f\nret\n"                                                 \
		"2: mov trap_params(%rip), %rsp\nxor %edx, %edx\nxor %ebp, %ebp\njmp *%rcx\n"      \
		".popsection\n")

/* --- the launcher's ------------------------------------------------------------------------- */

/* What libc has of this thread. */
static inline const char *arch_thread(void)
{
	const char *r;

	__asm__("mov %%fs:0, %0" : "=r"(r));
	return r;
}

/* struct user_regs_struct */
typedef struct {
	unsigned long r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	unsigned long orig_rax, rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
} arch_registers;

/* A system call and a trap after it. */
#define ARCH_CALL_AND_TRAP                                                                         \
	{                                                                                          \
		0x0f, 0x05, 0xcc                                                                   \
	}

static inline uint64_t arch_pc(const arch_registers *r)
{
	return r->rip;
}

static inline uint64_t arch_sp(const arch_registers *r)
{
	return r->rsp;
}

static inline long arch_result(const arch_registers *r)
{
	return (long)r->rax;
}

/* Makes @r go on at @pc, as if it were called, with a stack below that of the program. */
static inline void arch_jump(arch_registers *r, uint64_t pc)
{
	r->rip = pc;
	r->rsp = ((r->rsp - 4096) & ~15ull) - 8;
	r->orig_rax = (unsigned long)-1; /* no call is to be repeated */
}

static inline void arch_set_call(arch_registers *r, long nr, const long a[6])
{
	r->rax = (unsigned long)nr;
	r->rdi = (unsigned long)a[0];
	r->rsi = (unsigned long)a[1];
	r->rdx = (unsigned long)a[2];
	r->r10 = (unsigned long)a[3];
	r->r8 = (unsigned long)a[4];
	r->r9 = (unsigned long)a[5];
}

#elif defined(__aarch64__)

#define ARCH_AUDIT 0xc00000b7u
#define ARCH_RSEQ  0xd428bc00
#define ARCH_PAGE  "65536"

static inline long arch_call(long nr, const long a[6])
{
	register long x8 __asm__("x8") = nr, x0 __asm__("x0") = a[0], x1 __asm__("x1") = a[1];
	register long x2 __asm__("x2") = a[2], x3 __asm__("x3") = a[3], x4 __asm__("x4") = a[4];
	register long x5 __asm__("x5") = a[5];

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

static inline void arch_arguments(const ucontext_t *uc, long ret[6])
{
	for (int i = 0; i < 6; i++)
		ret[i] = (long)uc->uc_mcontext.regs[i];
}

static inline void arch_answer(ucontext_t *uc, long r)
{
	uc->uc_mcontext.regs[0] = (unsigned long)r;
}

#define ARCH_ENTRIES                                                                               \
	__asm__(".pushsection .text.entries, \"ax\"\n"                                             \
		".globl trap_handler\ntrap_handler:\n"                                             \
		"stp xzr, x30, [sp, #-32]!\nstr x30, [sp, #16]\nmov x29, sp\n"                     \
		"bl trap_handle\nldr x30, [sp, #16]\nadd sp, sp, #32\nret\n"                       \
		".globl trap_return\ntrap_return:\nmov x8, #139\nsvc #0\n"                         \
		".globl trap_start\ntrap_start:\n"                                                 \
		"stp x29, x30, [sp, #-32]!\nstp xzr, xzr, [sp, #16]\nadd x29, sp, #16\n"           \
		"bl trap_init\nldp x29, x30, [sp], #32\n"                                          \
		"adrp x1, trap_params\nadd x1, x1, :lo12:trap_params\nldp x2, x3, [x1]\n"          \
		"cbnz x3, 1f\nbrk #0\n"                                                            \
		"1: cbz x0, 2f\nret\n"                                                             \
		"2: mov sp, x2\nmov x29, xzr\nmov x30, xzr\nbr x3\n"                               \
		".popsection\n")

static inline const char *arch_thread(void)
{
	const char *r;

	__asm__("mrs %0, tpidr_el0" : "=r"(r));
	return r;
}

typedef struct {
	unsigned long regs[31], sp, pc, pstate;
} arch_registers;

#define ARCH_CALL_AND_TRAP                                                                         \
	{                                                                                          \
		0x01, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x20, 0xd4                                     \
	}

static inline uint64_t arch_pc(const arch_registers *r)
{
	return r->pc;
}

static inline uint64_t arch_sp(const arch_registers *r)
{
	return r->sp;
}

static inline long arch_result(const arch_registers *r)
{
	return (long)r->regs[0];
}

static inline void arch_jump(arch_registers *r, uint64_t pc)
{
	r->pc = pc;
	r->sp = (r->sp - 4096) & ~15ull;
}

static inline void arch_set_call(arch_registers *r, long nr, const long a[6])
{
	r->regs[8] = (unsigned long)nr;
	for (int i = 0; i < 6; i++)
		r->regs[i] = (unsigned long)a[i];
}
#endif

#include "blob.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "reason.h"
#include "trap/arch.h"

/* What the build has made of worker-shim/trap. */
extern const unsigned char trap_blob[];
extern const uint64_t trap_blob_size;
__asm__(".pushsection .rodata\n"
	".balign " ARCH_PAGE "\n"
	".globl trap_blob\ntrap_blob:\n"
	".incbin \"" TRAP_BLOB "\"\n"
	".balign 8\n"
	".globl trap_blob_size\ntrap_blob_size: .quad . - trap_blob\n"
	".popsection\n");

extern const Elf64_Ehdr __ehdr_start; /* the linker's */

const struct trap_head *blob_head(void)
{
	return (const struct trap_head *)trap_blob;
}

bool blob_name_launcher(struct trap_params *params)
{
	return readlink("/proc/self/exe", params->launcher, sizeof(params->launcher) - 1) >= 0 ||
	       reason_refuse("/proc/self/exe: %s", strerror(errno));
}

const unsigned char *blob_image(uint64_t base, const struct trap_params *params)
{
	static unsigned char image[1 << 20];
	const struct trap_head *head = blob_head();

	memcpy(image, trap_blob, trap_blob_size);
	for (uint64_t at = head->rela; at < head->rela_end; at += sizeof(Elf64_Rela)) {
		const Elf64_Rela *rela = (const Elf64_Rela *)(image + at);
		uint64_t value = base + (uint64_t)rela->r_addend;

		memcpy(image + rela->r_offset, &value, sizeof(value));
	}
	memcpy(image + head->params, params, sizeof(*params));
	return image;
}

uint64_t blob_offset(void)
{
	const char *file = (const char *)&__ehdr_start;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(file + __ehdr_start.e_phoff), *first = ph;
	uint64_t at = (uintptr_t)trap_blob - (uintptr_t)file;

	while (first->p_type != PT_LOAD)
		first++;
	for (ph = first; at - (ph->p_vaddr - first->p_vaddr) >= ph->p_filesz;)
		ph++;
	return at - (ph->p_vaddr - first->p_vaddr) + ph->p_offset;
}

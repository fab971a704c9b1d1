/* links: worker-shim/launcher/elf */
/* A program file, of which anything may be damaged. */
#include "launcher/elf.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *bytes = fuzz_bytes(data, size);
	struct elf_info info;

	switch (elf_parse(bytes, size, &info)) {
	case ELF_GOOD:
		MUST(info.bits == 32 || info.bits == 64);
		MUST(strlen(info.interp) < sizeof(info.interp));
		MUST(strlen(info.first) < sizeof(info.first));
		break;
	case ELF_NONE:
		MUST(size < 4 || memcmp(data, "\177ELF", 4) != 0);
		break;
	case ELF_BROKEN:
		MUST(size >= 4 && !memcmp(data, "\177ELF", 4));
		break;
	}
	free(bytes);
	return 0;
}

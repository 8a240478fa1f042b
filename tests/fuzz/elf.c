/* libFuzzer driver for the check of programs. By hand, from the repository's root:
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. -o /tmp/fuzz-elf \
 *       tests/fuzz/elf.c tests/fuzz/targets.c proxy/elf.c proxy/config*.c proxy/file.c -lelf -lyaml
 *   mkdir -p /tmp/corpus-elf && cp build/apps/* /tmp/corpus-elf/
 *   /tmp/fuzz-elf -max_total_time=60 -max_len=8192 /tmp/corpus-elf */
#include "tests/fuzz/targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_elf(bytes, size);
    return 0;
}

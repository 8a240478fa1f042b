/* libFuzzer driver for machine files. By hand, from the repository's root:
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. -o /tmp/fuzz-yaml \
 *       tests/fuzz/yaml.c tests/fuzz/targets.c proxy/elf.c proxy/config*.c proxy/file.c -lelf
 * -lyaml mkdir -p /tmp/corpus-yaml && cp apps/*.yaml /tmp/corpus-yaml/ /tmp/fuzz-yaml
 * -max_total_time=60 -dict=tests/fuzz/yaml.dict /tmp/corpus-yaml */
#include "tests/fuzz/targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_yaml(bytes, size);
    return 0;
}

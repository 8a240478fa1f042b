/* libFuzzer driver for the check of programs; README.md says how to build and run it. */
#include "tests/fuzz/targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_elf(bytes, size);
    return 0;
}

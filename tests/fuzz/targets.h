/* What the fuzzers (elf.c, yaml.c) and the unit tests (tests/unit/config/mutations.c) do with one
 * input. What must not be aborts. */
#ifndef TESTS_FUZZ_TARGETS_H
#define TESTS_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

/* elf_refusal on the bytes; a file that is taken must be one whose segments can be laid out. */
void fuzz_elf(const uint8_t *bytes, size_t size);

/* The bytes as a machine file: read, and checked when that went well. */
void fuzz_yaml(const uint8_t *bytes, size_t size);

#endif

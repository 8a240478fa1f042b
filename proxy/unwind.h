/* Walks up a crashed program's stack by its unwind tables (.eh_frame), which every compiler writes:
 * code without frame pointers, the C library's above all, gives a full backtrace too. */
#ifndef PROXY_UNWIND_H
#define PROXY_UNWIND_H

#include "shm/lagoon.h"

#include <stddef.h>
#include <stdint.h>

/* What is known of the program at its death. The bytes are copies: nobody changes them meanwhile.
 */
struct unwind_state {
    uint64_t registers[18]; /* as struct shm_crash has them */
    const uint8_t *stack;   /* the program's memory from stack_address on */
    uint64_t stack_address, stack_length;
};

/* Fills addresses[0..capacity) with the program counter and the return addresses above it,
 * innermost first. The program is the ELF file at `path`, a position-independent one loaded at
 * `base`. Returns the count; 0 when its tables cannot be read. */
size_t unwind_stack(const char *path, uint64_t base, const struct unwind_state *state,
                    uint64_t *addresses, size_t capacity);

/* Where peer's crash record (a checked copy) comes with a copy of the stack, replaces its backtrace
 * by the one that the unwind tables of `program` give, if they give any. */
void unwind_crash(struct shm_crash *crash, const struct shm_view *view, uint32_t peer,
                  const char *program);

#endif

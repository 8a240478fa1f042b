/* What stands in front of a SYSCALL instruction, and whether a jump can take its place. Pure: looks
 * at the bytes and at the registers that the program had when it came to the SYSCALL. */
#ifndef INSTANCE_SYSCALL_SHAPE_H
#define INSTANCE_SYSCALL_SHAPE_H

#include "instance/arch/x86/frame.h"

#include <stdbool.h>
#include <stdint.h>

#define SHAPE_WINDOW 32       /* bytes in front of the SYSCALL that are looked at */
#define SHAPE_MAX 20          /* bytes that move to the trampoline, at most */
#define SHAPE_INSTRUCTIONS 10 /* ... and instructions */
#define SHAPE_JUMP 5          /* bytes of the jump that takes the place of the first of them */

struct shape {
    uint32_t
        length;     /* bytes in front of the SYSCALL that the trampoline does: SHAPE_JUMP or more */
    uint32_t count; /* instructions in them */
    uint8_t starts[SHAPE_INSTRUCTIONS + 1]; /* where each begins, and the last one's end */
    /* Bit n: an instruction begins at byte n of the jump, 1 to 4: the jump's byte there has to be a
     * breakpoint, for whoever jumps to that instruction. */
    uint32_t breakpoints;
    bool number_is_constant; /* the run sets RAX to a constant: this site's number never differs */
};

/* Reads 8 bytes of the program's memory; false: cannot. */
typedef bool (*shape_load_t)(uint64_t address, uint64_t *value);

/* `before`: the SHAPE_WINDOW bytes in front of the SYSCALL; `frame`: the registers there, its
 * `error` being RAX. Finds the shortest run of instructions that may be moved, in front of the
 * SYSCALL. False: there is none. */
bool shape_recognise(const uint8_t before[SHAPE_WINDOW], const struct trap_frame *frame,
                     shape_load_t load, struct shape *shape);

#endif

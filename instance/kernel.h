/* The instance as a whole: what it was handed over, its start and its end. */
#ifndef INSTANCE_KERNEL_H
#define INSTANCE_KERNEL_H

#include "abi/handover.h"
#include "ipi-msg/endpoint.h"

#include <stdnoreturn.h>

struct trap_frame;

struct instance {
    const struct handover *handover; /* checked */
    uint8_t *lagoon;                 /* as mapped here */
    struct shm_view view;
    struct shm_section *section; /* own */
};
extern struct instance instance;

/* Bytes at the top of an idle thread's stack that a core's start leaves to the idle loop. */
#define KERNEL_STACK_ROOM 256

/* The start of an instance, on its first core, on the platform's boot stack: the table of contents.
 * `entered`: monotonic ns at the kernel's first instruction. */
noreturn void kernel_start(const struct handover *handover, uint8_t *lagoon, uint64_t entered);

/* The program is over (exit_group, or a fatal signal with crash == NULL): stops the other cores,
 * flushes output, records status (0..255) and state, parks. Safe from any thread; the first wins.
 */
noreturn void kernel_end(int status);

/* The program died of `signal`: as above, with the crash record filled from `frame`. */
noreturn void kernel_crash(int signal, const struct trap_frame *frame, uint64_t address,
                           const char *message);

/* The program's file image in the lagoon. */
const uint8_t *program_image(uint64_t *size, uint64_t *physical);

/* Loads the program (ELF at program_image), builds the process stack and starts the first thread.
 * Returns 0 or a negative errno value with the reason logged. */
int program_start(void);

#endif

/* A kernel of paper around the system-call code: one core, a few threads that never run, a piece of
 * memory that is the program's, vector registers that are an array, and ends that come back to the
 * test. */
#ifndef TESTS_UNIT_SYSCALL_KERNEL_H
#define TESTS_UNIT_SYSCALL_KERNEL_H

#include "instance/kernel.h"
#include "instance/sched/thread.h"
#include "instance/syscall/signal.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_SIZE (256 * 1024)
#define LOG_KEPT 65536

/* The program's memory: addresses are real ones, and nothing else may be touched. */
extern uint8_t *memory;
static inline uint64_t memory_at(size_t offset)
{
    return (uint64_t)(uintptr_t)memory + offset;
}

/* Threads 1, 2 and 3; 1 is the current one. */
#define THREADS 3
extern struct thread threads[THREADS];
extern int interrupted[THREADS]; /* how often thread_interrupt was called for each */

extern size_t vector_size;             /* what fpu_area_size says */
extern bool vector_xsave;              /* the CPU has XSAVE, not just FXSAVE */
extern uint8_t vector_registers[4096]; /* the CPU's; in the form of an area */
extern unsigned vector_faults;         /* restores that would have faulted a real CPU */

extern char log_kept[LOG_KEPT]; /* all lines so far, each ended by '\n' */

/* How the instance ended, if it did. */
enum end { END_NONE, END_STATUS, END_CRASH };
struct ending {
    enum end kind;
    int value; /* status or signal */
    uint64_t address;
    char message[256];
};
extern struct ending ending;
extern jmp_buf ending_jump;

/* Runs `statement`; afterwards `ending` says whether it ended the instance. */
#define CATCH_END(statement)                                                                       \
    do {                                                                                           \
        ending.kind = END_NONE;                                                                    \
        if (setjmp(ending_jump) == 0)                                                              \
            statement;                                                                             \
    } while (0)

/* What thread_wait does, instead of waiting: NULL returns at once with -EINTR. */
extern int (*while_waiting)(uint64_t deadline);

extern unsigned notified; /* calls of file_notify */

/* A fresh kernel, before every test. */
void kernel_set_up(void);

/* Sets the handler of a signal; `flags` without SA_RESTORER. */
void set_handler(int signal, uint64_t handler, uint64_t flags, uint64_t mask);
#define RESTORER UINT64_C(0x401230)
#define HANDLER UINT64_C(0x401500)

/* A frame as after the `syscall` instruction of call `number`; its RSP is in the memory. */
struct trap_frame call_frame(uint64_t number);
int64_t call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

uint64_t random_word(void);

#endif

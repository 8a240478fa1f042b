/* A machine for the scheduler's tests: host threads are its cores, and what runs on them are the
 * scheduler's own threads, switched on stacks of their own. Interrupts come only where a test says
 * machine_interrupts(), and while a core is halted. */
#ifndef TESTS_UNIT_SCHED_MACHINE_H
#define TESTS_UNIT_SCHED_MACHINE_H

#include "instance/core.h"
#include "instance/sched/thread.h"

#include <stdbool.h>
#include <stdint.h>

/* Makes `count` cores and their idle threads; the calling host thread stands for core 0. */
void machine_make(uint32_t count);

/* Starts the cores with one thread in `program`; returns when the last thread has ended, with its
 * exit status. */
int machine_run(void (*program)(uintptr_t), uintptr_t argument);

/* --- For the threads of the machine --- */

struct thread *machine_spawn(void (*program)(uintptr_t), uintptr_t argument);
/* A way back to the program: due interrupts, then schedule_before_return. */
void machine_interrupts(void);
/* The program's vector register and FS base, to see that they follow the thread. */
void machine_set_registers(uint64_t vector, uint64_t fs_base);
bool machine_registers_are(uint64_t vector, uint64_t fs_base);
/* A signal for the thread with this id: as signal_send does it. */
void machine_signal(int32_t id);
/* So many of the next reads of the program's memory fail as if its page were not there. */
extern _Atomic unsigned machine_faults;

uint64_t machine_armed(uint32_t core); /* deadline that the core's hardware is set to */
uint64_t machine_kicks(void);          /* of all cores so far */
void machine_set_clock(uint64_t now);  /* stops the clock there; 0: the host's own again */

#endif

/* A partition in the test's own memory: frames, the platform's page tables over them, fake cores,
 * and the program's accesses as the processor would make them, translation cache included. */
#ifndef TESTS_UNIT_MM_PARTITION_H
#define TESTS_UNIT_MM_PARTITION_H

#include "instance/core.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/platform/platform.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>

#define PARTITION_PHYSICAL UINT64_C(0x40000000) /* where the fake memory begins */
#define MIB (UINT64_C(1) << 20)

/* Memory of `size` bytes at PARTITION_PHYSICAL, nothing initialised in it, and behind it
 * `file_size` bytes that belong to no partition; `count` cores, of which this thread is the first.
 */
void memory_create(uint64_t size, uint64_t file_size, uint32_t count);

/* The same with everything of instance/mm/ started in it. */
void partition_create(uint64_t size, uint64_t file_size, uint32_t count);

/* The bytes behind the partition (a program's file, say), and their physical address. */
uint8_t *partition_file(void);
uint64_t partition_file_physical(void);

/* This thread is core `index` from now on. */
void partition_enter_core(uint32_t index);

/* The next `count` allocations (frame_alloc, kmalloc, kzalloc) of this thread succeed, the one
 * after them fails, and all later ones succeed again, or fail too (`for_good`). UINT64_MAX: none
 * fails. */
void partition_fail_after(uint64_t count, bool for_good);
bool partition_has_failed(void); /* has that one come? */

/* Threads are going to use the address space at once: without program_access, from now on. */
void partition_share(void);

/* An access of the program to one byte: 0, or what space_handle_fault said (the access is not
 * done). Reads into, or writes, *value; SPACE_FAULT_EXECUTE only fetches. Through the translation
 * cache, so that a missing flush shows as a wrong value. */
int program_access(uint64_t address, enum space_fault access, uint8_t *value);
extern uint64_t program_faults; /* taken by program_access so far */

/* Under ThreadSanitizer it is the meeting threads that count: long runs of one thread are cut. */
#ifdef __SANITIZE_THREAD__
#define SINGLE_STEPS(Count) ((Count) / 25)
#else
#define SINGLE_STEPS(Count) (Count)
#endif

/* A small generator with a fixed seed, so that failures can be had again. */
uint64_t test_random(void);
uint64_t test_random_below(uint64_t limit);

#endif

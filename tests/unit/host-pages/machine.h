/* What host_pages.c stands on, for tests: one file of the host, one mapping of it with a page table
 * of its own, page frames, and locks of this process. See machine.c. */
#ifndef TESTS_UNIT_HOST_PAGES_MACHINE_H
#define TESTS_UNIT_HOST_PAGES_MACHINE_H

#include "instance/fs/host_pages.h"

#include <stdint.h>

#define MACHINE_PAGES 16 /* the host's file has at most so many */

extern struct file machine_file;    /* open for reading and writing */
extern uint64_t machine_frames_max; /* that there are, tables included */

/* The host's file. */
extern uint8_t host_bytes[MACHINE_PAGES * 4096];
extern uint64_t host_size;
extern _Atomic int host_write_error; /* of every write, unless 0 */
extern _Atomic unsigned host_writes; /* requests to write */
extern void (*host_before_read)(void);

/* What is logged as an error. */
extern _Atomic unsigned machine_errors;

/* An empty file of `size` bytes that count up, not mapped. */
void machine_set_up(uint64_t size);
/* Every frame has been given back. */
void machine_tear_down(void);

/* The program's accesses to byte `offset` of the mapping. 0, or the fault's error. */
int machine_store(uint64_t offset, uint8_t value);
int machine_load(uint64_t offset, uint8_t *value);

#endif

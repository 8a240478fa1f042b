/* See kernel.c. */
#ifndef TESTS_UNIT_FS_KERNEL_H
#define TESTS_UNIT_FS_KERNEL_H

#include <stdint.h>

#define TEST_FRAMES 2000 /* that there are; files may take all of them */

extern uint64_t frames_left;

/* An empty root. */
void kernel_set_up(void);

#endif

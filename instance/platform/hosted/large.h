/* The host's large pages for the partition (large.c; platform_memory_begin asks for them). */
#ifndef INSTANCE_PLATFORM_HOSTED_LARGE_H
#define INSTANCE_PLATFORM_HOSTED_LARGE_H

#include <stdint.h>

/* A program that has had less than this in small blocks does not cost the host a large page. */
#define LARGE_AFTER (UINT64_C(1) << 20)

/* Of a partition of so many bytes. Called once, before platform_memory_begin. */
void large_init(uint64_t partition);

/* memory.c: has the host put a large page behind [offset, +2 MiB) of the partition, with what is
 * there already. 0 or the host's error: -EINVAL where it does not do that at all. */
int64_t hosted_large_page(uint64_t offset);

#endif

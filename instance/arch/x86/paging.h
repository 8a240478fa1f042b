/* What the page tables need to know from the platform's start; all else is platform_map and its
 * like in instance/platform/platform.h. */
#ifndef INSTANCE_ARCH_X86_PAGING_H
#define INSTANCE_ARCH_X86_PAGING_H

#include <stdint.h>

/* Physical address of the level-4 table. Set before the first platform_map. */
extern uint64_t paging_root;

#endif

/* Reading and writing the program's memory from a system call. Each checks that the range lies in
 * the program's half, touches it page by page so that demand paging works, and returns -EFAULT
 * where the program itself would have faulted. They may sleep, as space.h says; the _nofault forms
 * do not. */
#ifndef INSTANCE_MM_USER_H
#define INSTANCE_MM_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int user_read(void *to, uint64_t from, size_t length);        /* 0 or -EFAULT */
int user_write(uint64_t to, const void *from, size_t length); /* 0 or -EFAULT */
int user_clear(uint64_t to, size_t length);
/* Copies a string of at most capacity - 1 bytes. Returns its length, -EFAULT or -ENAMETOOLONG. */
int64_t user_read_string(char *to, uint64_t from, size_t capacity);

/* Does [address, +length) lie in the program's half? (It may still not be mapped.) */
bool user_range_ok(uint64_t address, uint64_t length);

/* With a spinlock held: no page is brought in. 0, or -EFAULT: touch it (user_read) and try again.
 */
int user_read_u32_nofault(uint32_t *to, uint64_t from);
/* Atomic compare and exchange on the program's word, no page brought in: 0 and *seen, or -EFAULT.
 * -EFAULT also where the page is present but may not be written. */
int user_cmpxchg_u32_nofault(uint64_t at, uint32_t expected, uint32_t desired, uint32_t *seen);

/* For the page-fault handler: where to continue after a fault at `rip` inside one of the above, or
 * 0. The handler tries space_handle_fault first, unless user_is_nofault(rip). */
uintptr_t user_fixup(uintptr_t rip);
bool user_is_nofault(uintptr_t rip);

/* Picks the copying instructions that this CPU does best. space_init calls it. */
void user_init(void);

#endif

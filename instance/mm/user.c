/* Copies between kernel and program: the range checks, and the faults' way out. The instructions
 * that touch the program's memory are in instance/arch/x86/user_copy.asm. */
#include "instance/mm/user.h"

#include "instance/arch/x86/cpu.h"
#include "instance/platform/platform.h"

#include <asm/errno.h>

/* user_copy.asm */
int64_t user_access_copy(void *to, const void *from, size_t length);
int64_t user_access_clear(void *to, size_t length);
int64_t user_access_string(char *to, const char *from, size_t capacity);
int64_t user_access_load_u32(uint32_t *to, const uint32_t *from);
int64_t user_access_cmpxchg_u32(uint32_t *at, uint32_t expected, uint32_t desired, uint32_t *seen);
extern const char user_access_begin[], user_access_end[], user_access_fault[];
extern const char user_nofault_begin[], user_nofault_end[];
extern uint8_t user_fast_string;

void user_init(void)
{
    uint32_t registers[4];
    cpu_cpuid(0, 0, registers);
    if (registers[0] < 7)
        return;
    cpu_cpuid(7, 0, registers);
    user_fast_string = registers[1] >> 9 & 1; /* ERMS, Intel SDM volume 2, CPUID leaf 7 */
}

bool user_range_ok(uint64_t address, uint64_t length)
{
    return address >= PROGRAM_FLOOR && address <= PROGRAM_TOP && length <= PROGRAM_TOP - address;
}

int user_read(void *to, uint64_t from, size_t length)
{
    if (!length)
        return 0;
    if (!user_range_ok(from, length))
        return -EFAULT;
    return (int)user_access_copy(to, (const void *)from, length);
}

int user_write(uint64_t to, const void *from, size_t length)
{
    if (!length)
        return 0;
    if (!user_range_ok(to, length))
        return -EFAULT;
    return (int)user_access_copy((void *)to, from, length);
}

int user_clear(uint64_t to, size_t length)
{
    if (!length)
        return 0;
    if (!user_range_ok(to, length))
        return -EFAULT;
    return (int)user_access_clear((void *)to, length);
}

int64_t user_read_string(char *to, uint64_t from, size_t capacity)
{
    if (!user_range_ok(from, 1))
        return -EFAULT;
    uint64_t room = PROGRAM_TOP - from;
    size_t limit = capacity < room ? capacity : room;
    int64_t length = user_access_string(to, (const char *)from, limit);
    if (length < 0)
        return length;
    if ((size_t)length < limit)
        return length;
    return limit < capacity ? -EFAULT : -ENAMETOOLONG;
}

int user_read_u32_nofault(uint32_t *to, uint64_t from)
{
    if (!user_range_ok(from, sizeof(*to)))
        return -EFAULT;
    return (int)user_access_load_u32(to, (const uint32_t *)from);
}

int user_cmpxchg_u32_nofault(uint64_t at, uint32_t expected, uint32_t desired, uint32_t *seen)
{
    if (!user_range_ok(at, sizeof(*seen)))
        return -EFAULT;
    return (int)user_access_cmpxchg_u32((uint32_t *)at, expected, desired, seen);
}

uintptr_t user_fixup(uintptr_t rip)
{
    bool ours = rip >= (uintptr_t)user_access_begin && rip < (uintptr_t)user_access_end;
    return ours ? (uintptr_t)user_access_fault : 0;
}

bool user_is_nofault(uintptr_t rip)
{
    return rip >= (uintptr_t)user_nofault_begin && rip < (uintptr_t)user_nofault_end;
}

/* user_read and its kin against this process's own memory: pages that are not there make real
 * faults, which a signal handler treats as the kernel's page-fault handler would. */
#include "instance/mm/user.h"
#include "instance/platform/platform.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define PAGE 4096
#define PAGES 4 /* readable and writable, between two that are not there */

extern uint8_t user_fast_string;

static uint8_t *window;      /* the first of the PAGES */
static volatile bool demand; /* pages that are not there come when they are touched */
static volatile unsigned faults, nofault_faults;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    bool nofault = user_is_nofault((uintptr_t)*rip);
    faults++;
    nofault_faults += nofault;
    uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1);
    if (demand && !nofault && !mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE))
        return;
    uintptr_t at = user_fixup((uintptr_t)*rip);
    if (!at)
        _exit(99);
    *rip = (greg_t)at;
}

static void set_up(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    uint8_t *memory = mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    window = memory + PAGE;
    mprotect(window, PAGES * PAGE, PROT_READ | PROT_WRITE);
    for (unsigned i = 0; i < PAGES * PAGE; i++)
        window[i] = (uint8_t)(i * 7 + i / 251 + 1);
}

static uint64_t at(size_t offset)
{
    return (uint64_t)(uintptr_t)(window + offset);
}

static void copy_all_sizes(void)
{
    static uint8_t buffer[PAGES * PAGE + 64], expected[PAGES * PAGE];
    for (size_t length = 0; length < 3 * PAGE; length += length < 300 ? 1 : 131) {
        for (size_t shift = 0; shift < 9; shift++) {
            memset(buffer, 0xcc, sizeof(buffer));
            cr_assert_eq(user_read(buffer + 16, at(shift * 5), length), 0);
            cr_assert_arr_eq(buffer + 16, window + shift * 5, length);
            cr_assert_eq(buffer[15], 0xcc);
            cr_assert_eq(buffer[16 + length], 0xcc);

            memcpy(expected, window, sizeof(expected));
            memset(expected + shift, 0x77, length);
            memset(buffer, 0x77, length);
            cr_assert_eq(user_write(at(shift), buffer, length), 0);
            cr_assert_arr_eq(window, expected, sizeof(expected));
            memset(expected + shift, 0, length);
            cr_assert_eq(user_clear(at(shift), length), 0);
            cr_assert_arr_eq(window, expected, sizeof(expected));
        }
    }
}

Test(user, copies_of_all_sizes, .init = set_up)
{
    user_fast_string = 0;
    copy_all_sizes();
    user_fast_string = 1; /* slow on some machines, right on all */
    copy_all_sizes();
    user_init();
    cr_assert_eq(faults, 0u);
}

Test(user, faults_are_efault, .init = set_up)
{
    static uint8_t buffer[3 * PAGE];
    for (unsigned fast = 0; fast < 2; fast++) {
        user_fast_string = (uint8_t)fast;
        for (size_t length = 1; length < 2 * PAGE; length += 37) {
            size_t end = PAGES * PAGE;
            faults = 0;
            cr_assert_eq(user_read(buffer, at(end - length), length), 0);
            cr_assert_eq(user_read(buffer, at(end - length + 1), length), -EFAULT);
            cr_assert_eq(user_write(at(end - length + 1), buffer, length), -EFAULT);
            cr_assert_eq(user_clear(at(end - length + 1), length), -EFAULT);
            cr_assert_eq(user_read(buffer, at(0) - 1, length), -EFAULT);
            cr_assert_eq(user_write(at(0) - 1, buffer, length), -EFAULT);
            cr_assert_eq(faults, 5u);
        }
    }
    mprotect(window, PAGE, PROT_READ);
    cr_assert_eq(user_write(at(10), buffer, 10), -EFAULT);
    cr_assert_eq(user_read(buffer, at(10), 10), 0);
}

Test(user, pages_come_on_demand, .init = set_up)
{
    static uint8_t buffer[PAGES * PAGE];
    memcpy(buffer, window, sizeof(buffer));
    demand = true;
    for (unsigned fast = 0; fast < 2; fast++) {
        user_fast_string = (uint8_t)fast;
        faults = 0;
        mprotect(window, PAGES * PAGE, PROT_NONE);
        cr_assert_eq(user_write(at(3), buffer + 3, sizeof(buffer) - 3), 0);
        cr_assert_eq(faults, (unsigned)PAGES);
        cr_assert_arr_eq(window, buffer, sizeof(buffer));
    }
}

Test(user, foreign_ranges_are_never_touched, .init = set_up)
{
    uint8_t byte = 0;
    cr_assert_eq(user_read(&byte, 0, 1), -EFAULT);
    cr_assert_eq(user_read(&byte, PROGRAM_FLOOR - 1, 1), -EFAULT);
    cr_assert_eq(user_read(&byte, PROGRAM_TOP, 1), -EFAULT);
    cr_assert_eq(user_read(&byte, PROGRAM_TOP - 1, 2), -EFAULT);
    cr_assert_eq(user_read(&byte, UINT64_MAX, 1), -EFAULT);
    cr_assert_eq(user_read(&byte, at(0), SIZE_MAX), -EFAULT);
    cr_assert_eq(user_write(UINT64_C(0xffff800000000000), &byte, 1), -EFAULT);
    cr_assert_eq(user_clear(PROGRAM_TOP - 1, UINT64_MAX), -EFAULT);
    cr_assert_eq(faults, 0u);
    cr_assert_eq(user_read(&byte, 0, 0), 0);
    cr_assert_eq(user_write(UINT64_MAX, &byte, 0), 0);
}

Test(user, strings, .init = set_up)
{
    char out[64];
    size_t end = PAGES * PAGE;
    memset(window, 'x', end);
    strcpy((char *)window + end - 6, "hello");
    cr_assert_eq(user_read_string(out, at(end - 6), sizeof(out)), 5);
    cr_assert_str_eq(out, "hello");
    cr_assert_eq(user_read_string(out, at(end - 6), 6), 5);
    cr_assert_eq(user_read_string(out, at(end - 6), 5), -ENAMETOOLONG);
    cr_assert_eq(user_read_string(out, at(end - 1), 1), 0);
    cr_assert_eq(user_read_string(out, at(end - 1), 0), -ENAMETOOLONG);
    window[end - 1] = 'x'; /* runs into the page that is not there */
    cr_assert_eq(user_read_string(out, at(end - 6), sizeof(out)), -EFAULT);
    cr_assert_eq(user_read_string(out, PROGRAM_TOP, sizeof(out)), -EFAULT);
    cr_assert_eq(user_read_string(out, 0, sizeof(out)), -EFAULT);
}

Test(user, words_without_demand, .init = set_up)
{
    uint32_t *word = (uint32_t *)(void *)window, seen = 0;
    demand = true;
    *word = 41;
    cr_assert_eq(user_read_u32_nofault(&seen, at(0)), 0);
    cr_assert_eq(seen, 41u);
    cr_assert_eq(user_cmpxchg_u32_nofault(at(0), 40, 50, &seen), 0);
    cr_assert_eq(seen, 41u);
    cr_assert_eq(*word, 41u);
    cr_assert_eq(user_cmpxchg_u32_nofault(at(0), 41, 50, &seen), 0);
    cr_assert_eq(seen, 41u);
    cr_assert_eq(*word, 50u);
    mprotect(window, PAGE, PROT_NONE);
    cr_assert_eq(user_read_u32_nofault(&seen, at(0)), -EFAULT);
    cr_assert_eq(user_cmpxchg_u32_nofault(at(0), 50, 51, &seen), -EFAULT);
    cr_assert_eq(nofault_faults, 2u);
    cr_assert_eq(user_read(&seen, at(0), 4), 0); /* brings the page in */
    cr_assert_eq(user_read_u32_nofault(&seen, at(0)), 0);
    cr_assert_eq(seen, 50u);
    cr_assert_eq(user_read_u32_nofault(&seen, PROGRAM_TOP - 2), -EFAULT);
    cr_assert_eq(user_cmpxchg_u32_nofault(0, 0, 0, &seen), -EFAULT);
    cr_assert_eq(user_fixup((uintptr_t)&user_read), 0u);
}

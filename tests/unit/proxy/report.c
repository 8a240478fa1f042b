/* What is said of an instance's end: symbols, causes, statuses. */
#include "proxy/crash.h"
#include "proxy/summary.h"
#include "proxy/symbols.h"

#include "abi/program.h"

#include <criterion/criterion.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

/* Where the running test program lies, less where an instance's kernel would have put it. */
static uint64_t moved(const void *address)
{
    extern const char __executable_start[];

    return (uint64_t)address - (uint64_t)__executable_start + PROGRAM_PIE_BASE;
}

Test(symbols, of_this_very_program)
{
    struct symbols *symbols = symbols_open("/proc/self/exe", PROGRAM_PIE_BASE);
    struct symbol symbol;

    cr_assert_not_null(symbols);
    cr_expect(symbols_find(symbols, moved((const void *)summary_instance_status), false, &symbol));
    cr_expect_str_eq(symbol.function, "summary_instance_status");
    cr_expect_str_eq(symbol.file, "summary.c");
    cr_expect_gt(symbol.line, 10);
    cr_expect_eq(symbol.offset, 0);
    /* The address behind a call that ends a function belongs to that function. */
    cr_expect(
        symbols_find(symbols, moved((const void *)summary_instance_status) + 1, true, &symbol));
    cr_expect_str_eq(symbol.function, "summary_instance_status");
    cr_expect_eq(symbol.offset, 1);
    cr_expect_not(symbols_find(symbols, 0x10, false, &symbol));
    cr_expect_not(symbols_find(symbols, UINT64_MAX, true, &symbol));
    cr_expect_not(symbols_find(symbols, 0, true, &symbol));
    cr_expect_not(symbols_find(NULL, 0x400000, false, &symbol));
    symbols_close(symbols);
    cr_expect_null(symbols_open("/nonexistent", 0));
    cr_expect_null(symbols_open("/proc/self/status", 0));
}

Test(crash, cause_names_the_place)
{
    struct shm_crash crash = {.signal = SIGSEGV, .vector = 14, .address = 0x18, .frames = 1};
    char text[512];

    crash.backtrace[0] = moved((const void *)summary_instance_status);
    crash_cause(&crash, "/nonexistent", "/proc/self/exe", text, sizeof(text));
    cr_expect(!strncmp(text, "SIGSEGV at 0x18 in summary_instance_status (summary.c:", 54), "%s",
              text);
    crash.backtrace[0] = 0x1234;
    crash_cause(&crash, "/nonexistent", "/nonexistent", text, sizeof(text));
    cr_expect_str_eq(text, "SIGSEGV at 0x18 in 0x1234");
    crash.signal = 0;
    strcpy(crash.message, "assertion failed");
    crash_cause(&crash, "/nonexistent", "/nonexistent", text, sizeof(text));
    cr_expect_str_eq(text, "kernel panic: assertion failed");
}

Test(summary, statuses_and_fates_in_words)
{
    struct instance_result result = {.fate = FATE_EXITED, .exit_status = 7};
    char text[600];

    cr_expect_eq(summary_instance_status(&result), 7);
    cr_expect_str_eq(summary_fate_text(&result, text, sizeof(text)), "exit 7");
    result.exit_status = 139;
    cr_expect_str_eq(summary_fate_text(&result, text, sizeof(text)), "exit 139 (SIGSEGV)");
    result.exit_status = 0x12300;
    cr_expect_eq(summary_instance_status(&result), 0, "an instance's word is cut to a byte");
    result.fate = FATE_CRASHED;
    result.crash.signal = SIGABRT;
    cr_expect_eq(summary_instance_status(&result), 134);
    result.crash.signal = 4000;
    cr_expect_eq(summary_instance_status(&result), 125, "no status 0 for a crash");
    result.fate = FATE_LOST;
    result.timed_out = true;
    cr_expect_eq(summary_instance_status(&result), 125);
    cr_expect_str_eq(summary_fate_text(&result, text, sizeof(text)),
                     "lost: the machine ended under it, at the time limit");
}

Test(summary, times_outside_the_run_are_not_believed)
{
    static struct shm_section section;
    struct instance_record record;

    atomic_store(&section.times.kernel_entry, 99);
    atomic_store(&section.times.program_start, 150);
    atomic_store(&section.times.program_end, 201);
    atomic_store(&section.times.memory_ready, 200 + SECOND);
    summary_take_record(&record, &section, 100, 200);
    cr_expect_eq(record.kernel_entry, 0);
    cr_expect_eq(record.program_start, 150);
    cr_expect_eq(record.program_end, 200, "a clock a little ahead");
    cr_expect_eq(record.memory_ready, 0);
}

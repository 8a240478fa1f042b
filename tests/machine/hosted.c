/* Platform hosted alone: hostile programs stay in their instance, instances that are killed or
 * stopped are reported, and hosts that lack something get a clear word. */
#include "tests/machine/harness.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STATUS_SIGSYS 159 /* killed by the sandbox */

static struct outcome run_escape(const char *way, int status)
{
    struct command command = atoll_run("hosted");
    size_t length;

    command_add(&command, "-n", "hostile", program_path("escape"), way, ":", NULL);
    command_add(&command, "-n", "neighbour", program_path("linger"), "busy", "1", NULL);
    struct outcome outcome = run_expecting(&command, status);
    expect_text(output_of(&outcome, "neighbour", &length), "gone\n", &outcome);
    return outcome;
}

Test(hosted, host_calls_by_number_are_the_instances_own, .timeout = 300)
{
    struct outcome outcome = run_escape("numbers", 0);

    expect_text(outcome.out, "most numbers are unknown", &outcome);
}

Test(hosted, calls_from_the_kernels_text_are_filtered, .timeout = 300)
{
    static const char *const ways[] = {
        "open",  "anonymous", "private", "fork",          "kill",           "upgrade",
        "remap", "write",     "discard", "collapse-much", "collapse-peers", "collapse-lagoon"};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct outcome outcome = run_escape(ways[i], STATUS_SIGSYS);

        cr_expect_not(has_text(outcome.out, "came back"), "%s came back", ways[i]);
        expect_text(outcome.err, "sandbox forbids", &outcome);
    }
}

/* Every number, many instances at a time: killed, or one of the few that the platform uses. */
Test(hosted, every_host_call_from_the_kernels_text, .timeout = 300)
{
    static char names[500][24], numbers[500][12];
    unsigned killed = 0, returned = 0;

    for (unsigned from = 0; from < 480; from += 24) {
        struct command command = atoll_run("hosted");

        for (unsigned i = from; i < from + 24; i++) {
            snprintf(names[i], sizeof(names[i]), "call%u", i);
            snprintf(numbers[i], sizeof(numbers[i]), "%u", i);
            command_add(&command, "-m", "4M", "-n", names[i], program_path("escape-musl"), "number",
                        numbers[i], i + 1 < from + 24 ? ":" : NULL, NULL);
        }
        struct outcome outcome = run_command(&command, NULL);
        for (const char *at = outcome.err; (at = strstr(at, "sandbox forbids")); at++)
            killed++;
        for (const char *at = outcome.out; (at = strstr(at, "came back")); at++)
            returned++;
    }
    /* Each that is killed is said at once and in the summary. What ends or replaces the thread
     * neither returns nor is killed: exit, exit_group, rt_sigreturn. */
    cr_expect_geq(killed / 2, 460, "%u were killed", killed / 2);
    cr_expect_leq(returned, 12, "%u came back", returned);
}

Test(hosted, int80_is_a_fault, .timeout = 300)
{
    struct outcome outcome = run_escape("legacy", 139);

    expect_text(outcome.err, "SIGSEGV", &outcome);
}

Test(hosted, other_sections_cannot_be_written, .timeout = 300)
{
    struct outcome outcome = run_escape("lagoon", 0);

    expect_text(outcome.out, "the lagoon is read-only", &outcome);
}

Test(hosted, spoilt_doorbells_are_only_noise, .timeout = 300)
{
    run_escape("doorbells", 0);
}

/* Whatever becomes of the instance: the others and the proxy do not notice. */
Test(hosted, overwritten_kernel_hurts_nobody_else, .timeout = 300)
{
    struct command command = atoll_run("hosted");
    size_t length;

    command_add(&command, "--timeout", "5", "-n", "hostile", program_path("escape"), "overwrite",
                ":", "-n", "neighbour", program_path("linger"), "busy", "1", NULL);
    struct outcome outcome = run_command(&command, NULL);
    cr_expect_neq(outcome.status, 0);
    expect_text(output_of(&outcome, "neighbour", &length), "gone\n", &outcome);
}

Test(hosted, jumps_into_the_kernel_hurt_nobody_else, .timeout = 300)
{
    static char steps[20][16], names[20][16];
    struct command command = atoll_run("hosted");
    size_t length;

    command_add(&command, "--timeout", "6", NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(steps[i], sizeof(steps[i]), "%d", i * 4099);
        snprintf(names[i], sizeof(names[i]), "jump%d", i);
        command_add(&command, "-n", names[i], program_path("escape-musl"), "jump", steps[i], ":",
                    NULL);
    }
    command_add(&command, "-n", "neighbour", program_path("linger"), "busy", "1", NULL);
    struct outcome outcome = run_command(&command, NULL);
    expect_text(output_of(&outcome, "neighbour", &length), "gone\n", &outcome);
}

/* --- Processes -------------------------------------------------------------------------------- */

static struct child start_two(int *left)
{
    struct command command = atoll_run("hosted");

    command_add(&command, "-n", "left", program_path("linger"), "forever", ":", NULL);
    command_add(&command, "-n", "right", program_path("linger"), "busy", "2", NULL);
    struct child child = child_start(&command, NULL);
    child_wait_for(&child, "here, forever", 20);
    child_wait_for(&child, "here, busy", 20);
    *left = find_descendant("atoll:left");
    cr_assert_neq(*left, 0, "no process named atoll:left");
    return child;
}

Test(hosted, killed_instance_is_reported, .timeout = 300)
{
    int left;
    struct child child = start_two(&left);
    size_t length;

    kill(left, SIGKILL);
    struct outcome outcome = child_finish(&child, 20);
    cr_expect_eq(outcome.status, 137, "status %d", outcome.status);
    expect_text(outcome.err, "instance left is lost", &outcome);
    expect_text(output_of(&outcome, "right", &length), "gone\n", &outcome);
    check_nothing_left("kill -9 of an instance");
}

/* The proxy's verdict stands in for the word that the killed kernel cannot say: whoever deals with
 * it gets its last whole messages, then EPIPE, and finds the state in its section; the others do
 * not notice. */
Test(hosted, peers_of_a_killed_instance, .timeout = 300)
{
    static const char *const names[] = {"p1", "p2", "p3", "p4"};
    struct command command = atoll_run("hosted");
    size_t length;

    for (int i = 0; i < 4; i++) {
        if (i > 0)
            command_add(&command, ":", NULL);
        command_add(&command, "-n", names[i], program_path(i % 2 ? "killed-musl" : "killed"), NULL);
    }
    struct child child = child_start(&command, NULL);
    for (int i = 0; i < 4; i++) {
        char line[32];

        snprintf(line, sizeof(line), "%s | ready", names[i]);
        child_wait_for(&child, line, 60);
    }
    int victim = find_descendant("atoll:p1");
    cr_assert_neq(victim, 0, "no process named atoll:p1");
    kill(victim, SIGKILL);
    struct outcome outcome = child_finish(&child, 100);
    cr_expect_eq(outcome.status, 137, "status %d", outcome.status);
    expect_text(outcome.err, "instance p1 is lost", &outcome);
    for (int i = 1; i < 4; i++)
        expect_text(output_of(&outcome, names[i], &length), "unharmed\n", &outcome);
    check_nothing_left("kill -9 of a peer");
}

Test(hosted, stopped_instance_is_reported, .timeout = 300)
{
    int left;
    struct child child = start_two(&left);

    kill(left, SIGSTOP);
    child_wait_for(&child, "instance left has been stopped by SIGSTOP", 10);
    kill(left, SIGCONT);
    child_wait_for(&child, "instance left goes on", 10);
    kill(left, SIGSTOP);
    kill(child.process, SIGTERM); /* a stopped instance does not keep the machine */
    struct outcome outcome = child_finish(&child, 20);
    cr_expect_not(outcome.timed_out);
    check_nothing_left("SIGSTOP of an instance");
}

Test(hosted, sixty_four_instances, .timeout = 300)
{
    static char names[64][8];
    struct command command = atoll_run("hosted");
    size_t length;

    for (int i = 0; i < 60; i++) { /* as many words as a command may have here */
        snprintf(names[i], sizeof(names[i]), "i%d", i);
        command_add(&command, "-n", names[i], app_path("hello-musl"), i + 1 < 60 ? ":" : NULL,
                    NULL);
    }
    struct outcome outcome = run_expecting(&command, 0);
    for (int i = 0; i < 60; i++)
        expect_text(output_of(&outcome, names[i], &length), "Hello, world!", &outcome);
    cr_expect_lt(outcome.seconds, 10);
}

Test(hosted, more_cores_than_the_host_has, .timeout = 300)
{
    struct command command = atoll_run("hosted");

    command_add(&command, "-c", "8", "-m", "128M", program_path("threads"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(outcome.out, "150 threads", &outcome);
}

/* Threads on more cores than the host has that wait for each other with sched_yield: each passes
 * the turn on when it gets the processor. Without giving it up, every turn takes a whole time slice
 * of somebody who waits (some 30 ms), and this about a minute. */
Test(hosted, yield_gives_up_the_processor, .timeout = 300)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct command command = atoll_run("hosted");
    char cores[24];

    if (cpus > 60)
        cr_skip_test("too many processors to have more cores");
    snprintf(cores, sizeof(cores), "%ld", 4 * cpus);
    command_add(&command, "--timeout", "30", "-c", cores, program_path("turns"), cores, "300",
                NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(outcome.out, "300 rounds", &outcome);
}

/* --- Memory ----------------------------------------------------------------------------------- */

#define LARGE (2UL << 20)
#define COLLAPSE 25 /* MADV_COLLAPSE, Linux 6.1 */

/* Does this host put large pages behind a memory file when it is asked? */
static bool host_has_large_pages(void)
{
    int file = memfd_create("atoll-test", MFD_CLOEXEC);

    cr_assert(file >= 0 && ftruncate(file, LARGE) == 0);
    char *room = mmap(NULL, 2 * LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)room, MAP_FAILED);
    char *place = room + (LARGE - (uintptr_t)room % LARGE);
    cr_assert_neq(mmap(place, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0),
                  MAP_FAILED);
    *place = 1;
    bool has = madvise(place, LARGE, COLLAPSE) == 0;
    munmap(room, 2 * LARGE);
    close(file);
    return has;
}

static struct outcome run_touch(const char *mebibytes, const char *how)
{
    struct command command = atoll_run("hosted");

    command_add(&command, "-m", "256M", program_path("touch"), mebibytes, how, NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(outcome.out, "touched", &outcome);
    return outcome;
}

/* 96 MiB are 24,576 pages, and as many faults of the host's if each comes by itself: in pages of 2
 * MiB of the instance, and in small ones, for which nothing has to be fetched from the host. A host
 * that takes long for a large page is asked for few of them (5 here), otherwise some 2,000 faults
 * are left.
 */
Test(hosted, fresh_memory_lies_in_large_pages, .timeout = 300)
{
    if (!host_has_large_pages())
        cr_skip_test("this host gives no large pages for memory files");
    long base = run_touch("1", "small").faults;
    long large = run_touch("97", NULL).faults - base;
    long small = run_touch("97", "small").faults - base;
    cr_expect_lt(large, 24576 - 1024, "%ld faults of the host", large);
    cr_expect_lt(small, 24576 - 1024, "%ld faults of the host", small);
}

/* --- Hosts ------------------------------------------------------------------------------------ */

static void expect_word(const char *lack, const char *text)
{
    struct command command = {.count = 0};

    command_add(&command, program_path("without"), lack, atoll_path(), "run", "--platform",
                "hosted", app_path("hello"), NULL);
    struct outcome outcome = run_command(&command, NULL);
    cr_expect_neq(outcome.status, 0, "%s", lack);
    cr_expect_neq(outcome.status, 99, "%s", lack);
    expect_text(outcome.err, text, &outcome);
    cr_expect_not(has_text(outcome.out, "Hello"));
}

Test(hosted, hosts_that_lack_something, .timeout = 300)
{
    expect_word("seccomp", "seccomp");
    expect_word("timers", "timer");
    expect_word("files:16", "ulimit -n");
    expect_word("files:8", "ulimit -n");
    expect_word("size:1000000", "ulimit -f");
    expect_word("memory-files", "memfd_create");
    expect_word("closing", "close_range");
    expect_word("process-handles", "pidfd_open");
    expect_word("traps", "prctl");
    expect_word("space:30000000", "cannot");
    expect_word("commitment", "vm.overcommit_memory");
    expect_word("mappings", "vm.max_map_count");
}

/* A lower limit of address space than the sandbox would set holds on; memory without large pages is
 * slower, and works. */
Test(hosted, hosts_that_lack_what_is_not_needed, .timeout = 300)
{
    static const char *const lacks[] = {"space:300000000", "large-pages"};

    for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
        struct command command = {.count = 0};

        command_add(&command, program_path("without"), lacks[i], atoll_path(), "run", "--platform",
                    "hosted", program_path("touch"), "20", NULL);
        struct outcome outcome = run_expecting(&command, 0);
        expect_text(outcome.out, "touched 5120 pages", &outcome);
    }
}

/* Nothing is locked in memory: the limit does not matter. */
Test(hosted, needs_no_locked_memory, .timeout = 300)
{
    struct command command = {.count = 0};

    command_add(&command, program_path("without"), "locked:0", atoll_path(), "run", "--platform",
                "hosted", app_path("hello"), NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_text(outcome.out, "Hello, world!", &outcome);
}

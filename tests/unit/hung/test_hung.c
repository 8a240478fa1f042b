/* The rules by which a core hangs: no answer for 10 seconds, or answers from the same system call
 * for more than 30. A second passes with each look. */
#include "proxy/clock.h"
#include "proxy/crash.h"
#include "proxy/machine_private.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORES 2
#define PEER 1

/* --- The rest of the proxy -----------------------------------------------------------------------
 */

static struct shm_section own, section;
static struct shm_heartbeat beats[CORES];
static uint64_t now_ns = 1000 * SECOND_NS;
static void (*look)(void *);
static bool armed, held;
static unsigned rings, kills;
static char said[512];

uint64_t clock_monotonic_ns(void)
{
    return now_ns;
}

struct shm_section *shm_view_section(const struct shm_view *view, uint32_t peer, int *error)
{
    (void)view, (void)error;
    return peer == SHM_PEER_PROXY ? &own : &section;
}

const void *shm_view_bytes(const struct shm_view *view, uint32_t peer, uint64_t offset,
                           uint64_t length)
{
    (void)view, (void)offset;
    cr_assert_eq(peer, (uint32_t)PEER);
    cr_assert_eq(length, sizeof(beats));
    return beats;
}

int events_timer_open(struct event_loop *loop, struct event_timer *timer,
                      void (*expired)(void *context), void *context)
{
    (void)loop, (void)timer, (void)context;
    look = expired;
    return 0;
}

void events_timer_arm(struct event_timer *timer, uint64_t nanoseconds)
{
    (void)timer;
    cr_assert_eq(nanoseconds, SECOND_NS);
    armed = true;
}

size_t crash_frames(const struct shm_crash *crash, const char *kernel, const char *program,
                    struct crash_frame *frames)
{
    (void)kernel, (void)program;
    cr_assert_eq(crash->frames, 1u);
    frames[0] =
        (struct crash_frame){.function = "sys_example", .offset = crash->backtrace[0] & 0xff};
    return 1;
}

void machine_say(struct machine_run *run, const char *format, ...)
{
    va_list values;

    (void)run;
    va_start(values, format);
    vsnprintf(said, sizeof(said), format, values);
    va_end(values);
}

void machine_instance_over(struct instance_run *instance)
{
    cr_assert_eq(instance->result->fate, FATE_HUNG);
    instance->over = true;
}

void machine_serve(struct machine_run *run)
{
    (void)run;
}

static void ring(struct platform *platform, uint32_t peer)
{
    (void)platform;
    cr_assert_eq(peer, (uint32_t)PEER);
    rings++;
}

static void end(struct platform *platform, uint32_t peer)
{
    (void)platform;
    cr_assert_eq(peer, (uint32_t)PEER);
    kills++;
}

static bool is_held(struct platform *platform, uint32_t peer)
{
    (void)platform, (void)peer;
    return held;
}

/* --- An instance of two cores --------------------------------------------------------------------
 */

static const struct platform_operations operations = {
    .name = "test", .ring = ring, .kill = end, .is_held = is_held};
static struct platform platform = {.operations = &operations};
static char name[] = "example";
static const struct instance_config config = {.name = name, .core_count = CORES};
static struct instance_result result = {.config = &config};
static struct run_options options;
static struct instance_run instance = {.result = &result, .peer = PEER, .seen = true};
static struct machine_run run = {
    .options = &options, .platform = &platform, .instances = &instance, .count = 1};

/* What a core does in each second. */
enum conduct { SILENT, COMPUTES, IN_ONE_CALL, IN_CALLS, IDLES, SCHEDULES };

static void act(struct shm_heartbeat *beat, enum conduct conduct)
{
    beat->idle = conduct == IDLES;
    if (conduct == SILENT || conduct == IDLES)
        return;
    beat->answered++;
    beat->where = conduct == COMPUTES ? 0 : 0xffff800000001010;
    beat->calls += conduct == IN_CALLS;
    beat->beats += conduct == SCHEDULES;
}

/* Lets so many seconds pass, with a look in each. True: the instance was given up. */
static bool pass(unsigned seconds, enum conduct first, enum conduct second)
{
    while (seconds-- && !instance.over) {
        act(&beats[0], first);
        act(&beats[1], second);
        now_ns += SECOND_NS;
        armed = false;
        look(&run);
        cr_assert(armed, "it does not look again");
    }
    return instance.over;
}

static void begin(void)
{
    section.state = SHM_STATE_RUNNING;
    instance.machine = &run;
    cr_assert_eq(machine_hung_open(&run), 0);
    cr_assert(armed);
    cr_assert_not(pass(1, SCHEDULES, SCHEDULES));
}

static void finish(void)
{
    free(instance.watch);
}

TestSuite(hung, .init = begin, .fini = finish);

/* ------------------------------------------------------------------------------------------------
 */

Test(hung, a_core_that_computes_does_not)
{
    cr_assert_not(pass(1000, COMPUTES, COMPUTES));
    cr_assert_not(pass(1000, IDLES, IN_CALLS));
    cr_assert_not(pass(1000, SCHEDULES, IDLES));
}

Test(hung, a_silent_core_is_asked_and_hangs_after_ten_seconds)
{
    cr_assert_not(pass(9, COMPUTES, SILENT));
    cr_assert_eq(rings, 9u);
    cr_assert_eq(kills, 0u);
    cr_assert(pass(1, COMPUTES, SILENT));
    cr_assert_eq(kills, 1u);
    cr_assert(strstr(result.cause, "core 1 does not answer"), "%s", result.cause);
    cr_assert(strstr(said, "instance example hangs: core 1 does not answer"), "%s", said);
}

Test(hung, one_system_call_lasts_thirty_seconds_at_most)
{
    cr_assert_not(pass(30, IN_ONE_CALL, COMPUTES));
    cr_assert_eq(kills, 0u);
    cr_assert(pass(1, IN_ONE_CALL, COMPUTES));
    cr_assert_eq(kills, 1u);
    cr_assert_str_eq(result.cause, "core 0 does not come out of the kernel, at sys_example+0x10");
    cr_assert(strstr(said, "instance example hangs: core 0 does not come out"), "%s", said);
}

Test(hung, each_sign_of_progress_begins_the_time_anew)
{
    static const enum conduct signs[] = {COMPUTES, IN_CALLS, SCHEDULES, IDLES};

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        cr_assert_not(pass(30, IN_ONE_CALL, COMPUTES));
        cr_assert_not(pass(1, signs[i], COMPUTES), "sign %zu", i);
    }
    cr_assert_not(pass(30, IN_ONE_CALL, COMPUTES));
    cr_assert(pass(1, IN_ONE_CALL, COMPUTES));
}

Test(hung, a_stopped_process_has_all_the_time)
{
    held = true;
    cr_assert_not(pass(1000, SILENT, IN_ONE_CALL));
    held = false;
    cr_assert_not(pass(9, SILENT, COMPUTES));
    cr_assert(pass(1, SILENT, COMPUTES));
}

Test(hung, not_before_it_runs_nor_after_its_end)
{
    section.state = SHM_STATE_BOOTING;
    cr_assert_not(pass(100, SILENT, SILENT));
    section.state = SHM_STATE_EXITED;
    cr_assert_not(pass(100, SILENT, SILENT));
}

Test(hung, a_debugger_may_hold_cores)
{
    options.gdb = true;
    armed = false;
    cr_assert_eq(machine_hung_open(&run), 0);
    cr_assert_not(armed);
}

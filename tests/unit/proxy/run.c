/* Whole runs, with a fake machine: output, ends, stops, faults. */
#include "tests/unit/proxy/fake.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void three_write(struct fake_machine *machine)
{
    fake_boot(machine);
    for (uint32_t i = 1; i <= machine->instances; i++) {
        struct fake_instance *instance = fake_start(machine, i);

        fake_write(machine, instance, 1, "hello\nwor", 9);
        fake_write(machine, instance, 2, "complaint", 9);
        fake_write(machine, instance, 1, "ld", 2);
        fake_exit(machine, instance, SHM_STATE_EXITED, i == 2 ? 3 : i == 3 ? 4 : 0);
    }
    fake_sleep_for_ever();
}

Test(run, lines_carry_the_names_and_the_first_failure_is_the_status)
{
    struct fake_setup setup;
    struct fake_result result;

    fake_setup(&setup, 3);
    fake_run(&result, &setup, three_write);
    cr_expect_eq(result.status, 3, "status %d: %s", result.status, result.err);
    cr_expect_not_null(strstr(result.out, "one   | hello\n"));
    cr_expect_not_null(strstr(result.out, "one   | world\n"));
    cr_expect_not_null(strstr(result.out, "three | world\n"));
    cr_expect_eq(result.out_length, 6 * strlen("three | hello\n"));
    cr_expect_not_null(strstr(result.err, "two   | complaint\n"));
    cr_expect_not_null(strstr(result.err, "NAME   CORES   MEMORY"));
    cr_expect_not_null(strstr(result.err, "exit 3"));
    cr_expect_not_null(strstr(result.err, "1.2 MiB"), "%s", result.err);
    fake_result_free(&result);
    fake_clean(&setup);
}

Test(run, quiet_prints_the_bytes_alone)
{
    struct fake_setup setup;
    struct fake_result result;

    fake_setup(&setup, 1);
    setup.options.quiet = true;
    fake_run(&result, &setup, three_write);
    cr_expect_eq(result.status, 0);
    cr_expect_str_eq(result.out, "hello\nworld");
    /* The leak checker may have something to say behind it. */
    cr_expect(!strncmp(result.err, "complaint", 9) && !strstr(result.err, "NAME"));
    fake_result_free(&result);
    fake_clean(&setup);
}

Test(run, json_is_a_document_on_standard_output)
{
    struct fake_setup setup;
    struct fake_result result;
    cJSON *root, *instances;

    fake_setup(&setup, 3);
    setup.options.json = setup.options.verbose = true;
    fake_run(&result, &setup, three_write);
    root = cJSON_Parse(result.out);
    cr_assert_not_null(root, "%s", result.out);
    instances = cJSON_GetObjectItem(root, "instances");
    cr_expect_eq(cJSON_GetObjectItem(root, "status")->valueint, 3);
    cr_expect_eq(cJSON_GetArraySize(instances), 3);
    cr_expect_str_eq(cJSON_GetObjectItem(cJSON_GetArrayItem(instances, 2), "cause")->valuestring,
                     "exit 4");
    cr_expect(cJSON_IsNumber(
        cJSON_GetObjectItem(cJSON_GetArrayItem(instances, 0), "start_from_machine_ms")));
    cr_expect_not_null(strstr(result.err, "one   | hello\n"));
    cr_expect_not_null(strstr(result.err, "program started"));
    cJSON_Delete(root);
    fake_result_free(&result);
    fake_clean(&setup);
}

/* --- Much output ---------------------------------------------------------------------------------
 */

#define MUCH (2 << 20)

/* Byte `position` of instance `number`'s output: lines of many lengths, some of them long. */
static char *much_text(uint32_t number)
{
    char *text = malloc(MUCH);
    unsigned state = number;

    for (size_t i = 0; i < MUCH; i++) {
        state = state * 1103515245 + 12345;
        text[i] = state >> 16 & 0x3f ? (char)('a' + (state >> 20) % 26) : '\n';
    }
    memset(text + MUCH / 2, 'x', 200000); /* one line longer than what is held back */
    text[MUCH - 1] = '\n';
    return text;
}

static void three_write_much(struct fake_machine *machine)
{
    char *texts[3];
    size_t done = 0;

    fake_boot(machine);
    for (uint32_t i = 1; i <= 3; i++) {
        fake_start(machine, i);
        texts[i - 1] = much_text(i);
    }
    for (unsigned turn = 0; done < MUCH; turn++) {
        size_t part = turn % 3 ? 60000 + turn : 500;

        if (part > MUCH - done)
            part = MUCH - done;
        for (uint32_t i = 1; i <= 3; i++) {
            if (part > 1000) {
                if (fake_write_bulk(machine, &machine->instance[i - 1], 1, texts[i - 1] + done,
                                    part) != (int64_t)part)
                    _exit(73);
            } else {
                fake_write(machine, &machine->instance[i - 1], 1, texts[i - 1] + done, part);
            }
        }
        done += part;
    }
    for (uint32_t i = 1; i <= 3; i++)
        fake_exit(machine, &machine->instance[i - 1], SHM_STATE_EXITED, 0);
    fake_sleep_for_ever();
}

/* What stands behind `name` in the output, with continued lines joined. */
static char *extract(const char *out, const char *name, size_t *length)
{
    char *text = malloc(strlen(out) + 1), prefix[32], more[32];
    bool open = false;
    size_t width = (size_t)snprintf(prefix, sizeof(prefix), "%-5s | ", name);

    snprintf(more, sizeof(more), "%-5s + ", name);
    *length = 0;
    while (*out) {
        const char *end = strchr(out, '\n');

        if (!strncmp(out, prefix, width) || !strncmp(out, more, width)) {
            if (open && out[width - 2] == '|')
                text[(*length)++] = '\n';
            memcpy(text + *length, out + width, (size_t)(end - out) - width);
            *length += (size_t)(end - out) - width;
            open = true;
        }
        out = end + 1;
    }
    text[(*length)++] = '\n';
    return text;
}

Test(run, megabytes_from_three_at_once_come_out_whole)
{
    static const char *const names[] = {"one", "two", "three"};
    struct fake_setup setup;
    struct fake_result result;

    fake_setup(&setup, 3);
    fake_run(&result, &setup, three_write_much);
    cr_expect_eq(result.status, 0, "status %d: %s", result.status, result.err);
    for (uint32_t i = 0; i < 3; i++) {
        char *text = much_text(i + 1), *seen;
        size_t length;

        seen = extract(result.out, names[i], &length);
        cr_expect_eq(length, MUCH, "%s: %zu bytes", names[i], length);
        cr_expect(length == MUCH && !memcmp(text, seen, MUCH), "%s differs", names[i]);
        free(text);
        free(seen);
    }
    fake_result_free(&result);
    fake_clean(&setup);
}

/* --- Ends ----------------------------------------------------------------------------------------
 */

static void crash_beside_a_healthy_one(struct fake_machine *machine)
{
    struct fake_instance *one, *two;
    struct shm_crash *crash;

    fake_boot(machine);
    one = fake_start(machine, 1);
    two = fake_start(machine, 2);
    fake_write(machine, one, 1, "last words", 10);
    shm_log_write((struct shm_log *)((uint8_t *)one->section + one->section->log_offset),
                  "<1> 1.5 0:1 careful\n", 20);
    crash = &one->section->crash;
    crash->signal = SIGSEGV;
    crash->vector = 14;
    crash->address = 0xdead0;
    crash->registers[SHM_RIP] = crash->backtrace[0] = 0x400210;
    crash->frames = 1000; /* more than there is room for: the proxy has to see that */
    memset(crash->message, 'm', sizeof(crash->message));
    crash->message[3] = '\033';
    fake_exit(machine, one, SHM_STATE_CRASHED, 0);
    fake_write(machine, two, 1, "healthy\n", 8);
    fake_exit(machine, two, SHM_STATE_EXITED, 0);
    fake_sleep_for_ever();
}

Test(run, a_crash_is_reported_and_the_others_run_on)
{
    struct fake_setup setup;
    struct fake_result result;

    fake_setup(&setup, 2);
    fake_run(&result, &setup, crash_beside_a_healthy_one);
    cr_expect_eq(result.status, 128 + SIGSEGV);
    cr_expect_not_null(strstr(result.out, "one | last words\n"));
    cr_expect_not_null(strstr(result.out, "two | healthy\n"));
    cr_expect_not_null(strstr(result.err, "one * crashed: mmm?mmm"), "%s", result.err);
    cr_expect_not_null(strstr(result.err, "one * warn 1.5 0:1 careful\n"));
    cr_expect_not_null(strstr(result.err, "crashed: SIGSEGV at 0xdead0 in 0x400210"));
    cr_expect_not_null(strstr(result.err, "rip 0000000000400210"));
    cr_expect_null(strchr(result.err, '\033'));
    fake_result_free(&result);
    fake_clean(&setup);
}

static void loader_fails(struct fake_machine *machine)
{
    fake_boot(machine);
    strcpy(machine->boot->message, "core 3 (APIC id 3) did not come up");
    atomic_store(&machine->boot->failed, 1);
    fake_ring_proxy(machine);
    fake_sleep_for_ever();
}

Test(run, the_loaders_failure_is_said)
{
    struct fake_setup setup;
    struct fake_result result;

    fake_setup(&setup, 2);
    fake_run(&result, &setup, loader_fails);
    cr_expect_eq(result.status, 125);
    cr_expect_not_null(strstr(result.err, "could not be started: core 3 (APIC id 3)"));
    fake_result_free(&result);
    fake_clean(&setup);
}

static void dies_early(struct fake_machine *machine)
{
    (void)machine;
}

static void dies_late(struct fake_machine *machine)
{
    fake_boot(machine);
    fake_write(machine, fake_start(machine, 1), 1, "not lost\n", 9);
    fake_exit(machine, fake_start(machine, 2), SHM_STATE_EXITED, 0);
    kill(getpid(), SIGKILL);
}

Test(run, a_machine_that_dies_is_an_error_and_loses_nothing_that_was_said)
{
    struct fake_setup setup;
    struct fake_result result;

    fake_setup(&setup, 2);
    fake_run(&result, &setup, dies_early);
    cr_expect_eq(result.status, 125);
    cr_expect_not_null(strstr(result.err, "the fake machine ended by itself"));
    fake_result_free(&result);
    fake_run(&result, &setup, dies_late);
    cr_expect_eq(result.status, 125);
    cr_expect_not_null(strstr(result.out, "one | not lost\n"), "%s", result.out);
    cr_expect_not_null(strstr(result.err, "lost: the machine ended under it"), "%s", result.err);
    cr_expect_not_null(strstr(result.err, "exit 0"));
    fake_result_free(&result);
    fake_clean(&setup);
}

/* --- Stops ---------------------------------------------------------------------------------------
 */

/* One instance ends on the signal, the other only on the order. */
static void obedient_and_stubborn(struct fake_machine *machine)
{
    struct fake_instance *one, *two;
    struct control_stop order;
    size_t length = sizeof(order);
    uint8_t message[8192];

    fake_boot(machine);
    one = fake_start(machine, 1);
    two = fake_start(machine, 2);
    fake_write(machine, one, 1, "ready\n", 6);
    fake_write(machine, two, 1, "ready\n", 6);
    length = sizeof(message);
    if (fake_receive(machine, one, message, &length) != CONTROL_STOP || length != sizeof(order))
        _exit(74);
    memcpy(&order, message, sizeof(order));
    fake_exit(machine, one, SHM_STATE_EXITED, 128 + order.signal);
    do
        length = sizeof(message);
    while (fake_receive(machine, two, message, &length) != CONTROL_END);
    fake_exit(machine, two, SHM_STATE_STOPPED, 137);
    fake_sleep_for_ever();
}

Test(run, an_interrupt_asks_and_a_second_one_orders)
{
    struct fake_setup setup;
    struct fake_result result;
    struct fake_run run;

    fake_setup(&setup, 2);
    fake_run_start(&run, &setup, obedient_and_stubborn, false);
    fake_expect(run.out, "one | ready\n");
    fake_expect(run.out, "two | ready\n");
    kill(run.pid, SIGINT);
    fake_expect(run.err, "asked to end");
    kill(run.pid, SIGINT);
    fake_run_finish(&run, &result);
    cr_expect_eq(result.status, 130);
    cr_expect_not_null(strstr(result.err, "exit 143 (SIGTERM)"), "%s", result.err);
    cr_expect_not_null(strstr(result.err, "stopped, exit 137"));
    fake_result_free(&result);
    fake_clean(&setup);
}

static void deaf(struct fake_machine *machine)
{
    fake_boot(machine);
    fake_exit(machine, fake_start(machine, 1), SHM_STATE_EXITED, 0);
    fake_start(machine, 2);
    fake_sleep_for_ever();
}

Test(run, the_time_limit_ends_even_the_deaf, .timeout = 15)
{
    struct fake_setup setup;
    struct fake_result result;

    fake_setup(&setup, 2);
    setup.options.timeout = 0.2;
    fake_run(&result, &setup, deaf);
    cr_expect_eq(result.status, 124);
    cr_expect_not_null(strstr(result.err, "still running:\natoll:   two\n"), "%s", result.err);
    cr_expect_not_null(strstr(result.err, "killed, at the time limit"));
    fake_result_free(&result);
    fake_clean(&setup);
}

static void silent(struct fake_machine *machine)
{
    (void)machine;
    fake_sleep_for_ever();
}

Test(run, an_interrupt_before_the_start_ends_at_once)
{
    struct fake_setup setup;
    struct fake_result result;
    struct fake_run run;

    fake_setup(&setup, 1);
    fake_run_start(&run, &setup, silent, false);
    usleep(50000);
    kill(run.pid, SIGTERM);
    fake_run_finish(&run, &result);
    cr_expect_eq(result.status, 143);
    fake_result_free(&result);
    fake_clean(&setup);
}

/* nohup: a signal that is ignored from the start stays ignored. */
static void waits_a_little(struct fake_machine *machine)
{
    struct fake_instance *one;

    fake_boot(machine);
    one = fake_start(machine, 1);
    fake_write(machine, one, 1, "ready\n", 6);
    usleep(300000);
    fake_exit(machine, one, SHM_STATE_EXITED, 0);
    fake_sleep_for_ever();
}

Test(run, a_signal_that_was_ignored_stays_so)
{
    struct fake_setup setup;
    struct fake_result result;
    struct fake_run run;

    signal(SIGHUP, SIG_IGN);
    fake_setup(&setup, 1);
    fake_run_start(&run, &setup, waits_a_little, false);
    fake_expect(run.out, "one | ready\n");
    kill(run.pid, SIGHUP);
    fake_run_finish(&run, &result);
    cr_expect_eq(result.status, 0, "status %d", result.status);
    fake_result_free(&result);
    fake_clean(&setup);
}

/* --- A closed output -----------------------------------------------------------------------------
 */

static void writes_until_it_breaks(struct fake_machine *machine)
{
    static char bytes[65536];
    struct fake_instance *one, *two;
    uint8_t message[8192];
    size_t length;
    int64_t result;

    memset(bytes, '\n', sizeof(bytes));
    fake_boot(machine);
    one = fake_start(machine, 1);
    two = fake_start(machine, 2); /* writes nothing: has to be told */
    do
        result = fake_write_bulk(machine, one, 1, bytes, sizeof(bytes));
    while (result > 0);
    fake_exit(machine, one, SHM_STATE_EXITED, result == -EPIPE ? 141 : 1);
    do
        length = sizeof(message);
    while (fake_receive(machine, two, message, &length) != CONTROL_STOP);
    fake_exit(machine, two, SHM_STATE_EXITED, 141);
    fake_sleep_for_ever();
}

Test(run, a_closed_output_ends_the_run_as_a_pipeline_does)
{
    struct fake_setup setup;
    struct fake_result result;
    struct fake_run run;

    fake_setup(&setup, 2);
    fake_run_start(&run, &setup, writes_until_it_breaks, false);
    fake_expect(run.out, "one | \n");
    close(run.out);
    run.out = -1;
    fake_run_finish(&run, &result);
    cr_expect_eq(result.status, 141, "status %d: %s", result.status, result.err);
    cr_expect_not_null(strstr(result.err, "exit 141 (SIGPIPE)"), "%s", result.err);
    fake_result_free(&result);
    fake_clean(&setup);
}

/* --- Standard input ------------------------------------------------------------------------------
 */

/* cat: reads with requests of 16 bytes and of 60,000 in turn, until the end. */
static void cat(struct fake_machine *machine)
{
    struct fake_instance *one;
    uint8_t message[8192];
    struct io_done done;
    uint64_t total = 0;

    fake_boot(machine);
    one = fake_start(machine, 1);
    for (unsigned turn = 0;; turn++) {
        struct io_read request = {.tag = 100 + turn, .length = turn % 2 ? 60000 : 16};
        size_t length = sizeof(message);
        const uint8_t *bytes = message + sizeof(done);

        fake_send(machine, one, IO_READ, &request, sizeof(request), NULL, 0);
        while (fake_receive(machine, one, message, &length) != IO_DONE)
            length = sizeof(message);
        memcpy(&done, message, sizeof(done));
        if (done.tag != request.tag || done.result < 0 || done.result > request.length)
            _exit(75);
        if (!done.result)
            break;
        if (done.extent)
            bytes = shm_view_bytes(&one->view, SHM_PEER_PROXY, done.extent, (uint64_t)done.result);
        else if (length != sizeof(done) + (uint64_t)done.result)
            _exit(76);
        fake_write(machine, one, 1, bytes, (size_t)done.result);
        total += (uint64_t)done.result;
        if (done.extent) {
            struct io_release release = {done.extent};

            fake_send(machine, one, IO_RELEASE, &release, sizeof(release), NULL, 0);
        }
    }
    fake_exit(machine, one, SHM_STATE_EXITED, total == 300000 ? 0 : 1);
    fake_sleep_for_ever();
}

Test(run, input_reaches_the_only_instance_whole)
{
    struct fake_setup setup;
    struct fake_result result;
    struct fake_run run;
    char *text = malloc(300000);
    pid_t writer;

    for (size_t i = 0; i < 300000; i++)
        text[i] = (char)(i % 251);
    fake_setup(&setup, 1);
    setup.options.quiet = true;
    fake_run_start(&run, &setup, cat, true);
    writer = fork();
    if (!writer) {
        for (size_t done = 0; done < 300000;) {
            ssize_t count = write(run.in, text + done, 300000 - done);

            if (count <= 0)
                _exit(1);
            done += (size_t)count;
        }
        _exit(0);
    }
    close(run.in);
    run.in = -1;
    fake_run_finish(&run, &result);
    waitpid(writer, NULL, 0);
    cr_expect_eq(result.status, 0, "status %d: %s", result.status, result.err);
    cr_expect_eq(result.out_length, 300000);
    cr_expect(result.out_length == 300000 && !memcmp(result.out, text, 300000));
    free(text);
    fake_result_free(&result);
    fake_clean(&setup);
}

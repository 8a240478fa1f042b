/* Output: prefixes, long lines, prompts, slow and closed readers. */
#include "proxy/output.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct event_loop loop;
static struct output output;
static struct output_stream one, two;
static int reader;

static void open_pipes(bool quiet)
{
    int pipes[2];

    cr_assert(pipe2(pipes, O_CLOEXEC) == 0);
    reader = pipes[0];
    cr_assert_eq(events_open(&loop), 0);
    output_open(&output, &loop, pipes[1], pipes[1], quiet, 3);
    output_stream_open(&output, &one, output.out, "one", 0);
    output_stream_open(&output, &two, output.out, "two", 1);
}

static void close_all(void)
{
    output_stream_close(&one);
    output_stream_close(&two);
    output_close(&output);
    events_close(&loop);
}

static void put(struct output_stream *stream, const char *text)
{
    cr_expect_eq(output_stream_write(stream, text, strlen(text)), (int64_t)strlen(text));
}

static void expect(const char *text)
{
    char bytes[4096];
    ssize_t count;

    output_flush(&output);
    fcntl(reader, F_SETFL, O_NONBLOCK);
    count = read(reader, bytes, sizeof(bytes) - 1);
    bytes[count > 0 ? count : 0] = '\0';
    cr_expect_str_eq(bytes, text);
}

Test(output, lines_stay_whole_between_streams)
{
    open_pipes(false);
    cr_expect_eq(output.out, output.err, "one file is one sink");
    put(&one, "a\nb");
    put(&two, "c");
    put(&one, "b\n");
    expect("one | a\none | bb\n");
    put(&two, "\n\n");
    expect("two | c\ntwo | \n");
    put(&one, "rest");
    output_stream_end(&one);
    output_stream_end(&two);
    expect("one | rest\n");
    close_all();
}

Test(output, long_lines_go_on_with_a_plus)
{
    static char bytes[OUTPUT_LINE_MAX + 10];

    open_pipes(false);
    fcntl(reader, F_SETPIPE_SZ, 1 << 20);
    memset(bytes, 'x', sizeof(bytes));
    cr_expect_eq(output_stream_write(&one, bytes, sizeof(bytes)), (int64_t)sizeof(bytes));
    put(&two, "between\n");
    put(&one, "y\nz\n");
    output_flush(&output);
    cr_expect_eq(read(reader, bytes, 6 + OUTPUT_LINE_MAX + 1), 6 + OUTPUT_LINE_MAX + 1);
    cr_expect(!strncmp(bytes, "one | xxx", 9) && bytes[6 + OUTPUT_LINE_MAX] == '\n');
    expect("two | between\none + xxxxxxxxxxy\none | z\n");
    close_all();
}

Test(output, a_prompt_is_shown_and_finished_by_whoever_comes_next)
{
    open_pipes(false);
    put(&one, "name? ");
    expect("");
    output_stream_show(&one);
    expect("one | name? ");
    put(&one, "again? ");
    output_stream_show(&one);
    expect("again? ");
    put(&two, "hello\n");
    expect("\ntwo | hello\n");
    put(&one, "more\n");
    expect("one + more\n");
    close_all();
}

Test(output, quiet_changes_nothing)
{
    open_pipes(true);
    put(&one, "a");
    put(&two, "b\n");
    output_stream_end(&one);
    expect("ab\n");
    close_all();
}

/* A reader that does not read: streams have to wait, and everything comes in the end. */
Test(output, a_slow_reader_holds_the_streams_back)
{
    static char line[1000], bytes[65536];
    size_t taken = 0, seen = 0;

    open_pipes(true);
    memset(line, 'x', sizeof(line));
    for (;;) {
        int64_t count = output_stream_write(&one, line, sizeof(line));

        cr_assert_geq(count, 0);
        taken += (size_t)count;
        if (count < (int64_t)sizeof(line))
            break;
    }
    cr_expect(output_sink_full(output.out));
    cr_expect_leq(taken, OUTPUT_HIGH_WATER + 2 * 65536 + 200000);
    while (!output_idle(&output)) {
        ssize_t count = read(reader, bytes, sizeof(bytes));

        cr_assert_gt(count, 0);
        seen += (size_t)count;
        events_wait(&loop, 100);
    }
    fcntl(reader, F_SETFL, O_NONBLOCK);
    for (ssize_t count; (count = read(reader, bytes, sizeof(bytes))) > 0;)
        seen += (size_t)count;
    cr_expect_eq(seen, taken);
    close_all();
}

Test(output, a_socket_is_written_without_waiting)
{
    static char bytes[65536];
    int pair[2], flags;
    size_t taken = 0, seen = 0;

    cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    flags = fcntl(pair[1], F_GETFL);
    cr_assert_eq(events_open(&loop), 0);
    output_open(&output, &loop, pair[1], pair[1], true, 3);
    output_stream_open(&output, &one, output.out, "one", 0);
    while (!output_sink_full(output.out))
        taken += (size_t)output_stream_write(&one, bytes, sizeof(bytes));
    cr_expect_eq(fcntl(pair[1], F_GETFL), flags, "shared with others: left as it was");
    while (!output_idle(&output)) {
        seen += (size_t)read(pair[0], bytes, sizeof(bytes));
        events_wait(&loop, 100);
    }
    for (ssize_t count; (count = recv(pair[0], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0;)
        seen += (size_t)count;
    cr_expect_eq(seen, taken);
    output_stream_close(&one);
    output_close(&output);
    events_close(&loop);
}

Test(output, a_closed_reader_is_an_error_from_then_on)
{
    signal(SIGPIPE, SIG_IGN);
    open_pipes(false);
    put(&one, "a\n");
    close(reader);
    output_flush(&output);
    cr_expect_eq(output.out->error, EPIPE);
    cr_expect_eq(output_stream_write(&one, "b\n", 2), -EPIPE);
    output_print(output.out, "nobody hears this");
    cr_expect(output_idle(&output));
    close_all();
}

Test(output, a_regular_file_keeps_its_offset)
{
    char path[] = "/tmp/atoll-test-XXXXXX", bytes[64] = "";
    int fd = mkstemp(path);

    cr_assert(write(fd, "before\n", 7) == 7);
    cr_assert_eq(events_open(&loop), 0);
    output_open(&output, &loop, fd, fd, false, 3);
    output_stream_open(&output, &one, output.out, "one", 0);
    put(&one, "text\n");
    output_flush(&output);
    cr_expect(pread(fd, bytes, sizeof(bytes) - 1, 0) > 0);
    cr_expect_str_eq(bytes, "before\none | text\n");
    output_stream_close(&one);
    output_close(&output);
    events_close(&loop);
    close(fd);
    unlink(path);
}

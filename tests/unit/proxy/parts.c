/* The parts by themselves: lines, clocks, processes, QEMU's arguments, the handshake, the lagoon.
 */
#include "proxy/clock.h"
#include "proxy/ivshmem.h"
#include "proxy/lagoon_host.h"
#include "proxy/lines.h"
#include "proxy/process.h"
#include "proxy/qemu_command.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- Lines ---------------------------------------------------------------------------------------
 */

static char taken[8192];

static void take(void *context, const char *line, size_t length)
{
    (void)context;
    snprintf(taken + strlen(taken), sizeof(taken) - strlen(taken), "[%.*s]", (int)length, line);
}

Test(lines, are_put_together_from_pieces)
{
    struct lines lines = {0};

    lines_add(&lines, "one\ntw", 6, take, NULL);
    lines_add(&lines, "o\r\n\nthr\033ee", 10, take, NULL);
    cr_expect_str_eq(taken, "[one][two][]");
    lines_end(&lines, take, NULL);
    cr_expect_str_eq(taken, "[one][two][][thr?ee]");
    lines_end(&lines, take, NULL);
    cr_expect_str_eq(taken, "[one][two][][thr?ee]");
}

Test(lines, are_cut_when_too_long)
{
    struct lines lines = {0};
    char bytes[2 * LINES_MAX + 2];

    memset(bytes, 'x', sizeof(bytes));
    lines_add(&lines, bytes, sizeof(bytes), take, NULL);
    cr_expect_eq(strlen(taken), 2 * LINES_MAX + 4);
    cr_expect_eq(lines.length, 2);
}

/* --- Clocks --------------------------------------------------------------------------------------
 */

Test(clock, frequency_predicts_the_clock)
{
    struct clock_sample since = clock_sample(), now;
    uint64_t hz = clock_tsc_hz(&since), predicted;

    usleep(20000);
    now = clock_sample();
    predicted = (uint64_t)((double)(now.tsc - since.tsc) * 1e9 / (double)hz);
    cr_expect_lt(llabs((long long)(predicted - (now.monotonic_ns - since.monotonic_ns))), 20000,
                 "%llu Hz", (unsigned long long)hz);
}

/* --- Processes -----------------------------------------------------------------------------------
 */

Test(process, that_does_not_exist)
{
    char program[] = "/nonexistent/program", *argv[] = {program, NULL};
    struct process process;

    cr_expect_eq(process_start(&process, argv, NULL, 0, 2), -ENOENT);
    cr_expect_eq(process.pid, 0);
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1);
}

Test(process, inherits_what_it_is_to_keep_and_nothing_else)
{
    int kept[2], other[2];
    struct process process;
    char script[128], text[64];
    char shell[] = "sh", option[] = "-c", *argv[] = {shell, option, script, NULL};
    int status;

    cr_assert(pipe2(kept, O_CLOEXEC) == 0 && pipe2(other, O_CLOEXEC) == 0);
    snprintf(script, sizeof(script), "test -e /proc/self/fd/%d && ! test -e /proc/self/fd/%d",
             kept[1], other[1]);
    cr_assert_eq(process_start(&process, argv, &kept[1], 1, 2), 0);
    status = process_reap(&process);
    cr_expect_eq(status, 0);
    cr_expect_str_eq(process_status_text(status, text, sizeof(text)), "exit status 0");
    cr_expect(fcntl(kept[1], F_GETFD) & FD_CLOEXEC, "the parent's own is left as it was");
}

Test(process, dies_with_its_parent)
{
    char name[] = "sleep", seconds[] = "100", *argv[] = {name, seconds, NULL};
    int tell[2], alive[2];
    pid_t parent;
    char byte;

    /* The sleeper holds the second pipe's only writing end: its end is the pipe's end. */
    cr_assert(pipe2(tell, O_CLOEXEC) == 0 && pipe2(alive, O_CLOEXEC) == 0);
    parent = fork();
    if (!parent) {
        struct process process;

        if (!process_start(&process, argv, &alive[1], 1, 2) && write(tell[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(alive[1]);
    cr_expect_eq(read(tell[0], &byte, 1), 1);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    cr_expect_eq(read(alive[0], &byte, 1), 0);
}

/* --- QEMU's arguments ----------------------------------------------------------------------------
 */

static bool has(char **arguments, const char *option, const char *value)
{
    for (; *arguments; arguments++)
        if (!strcmp(arguments[0], option) &&
            (!value || (arguments[1] && !strcmp(arguments[1], value))))
            return true;
    return false;
}

Test(qemu, arguments_follow_the_machine)
{
    char first[] = "int", second[] = "cpu_reset", *words[] = {first, second, NULL};
    struct qemu_command command = {.program = "q",
                                   .cores = 4,
                                   .memory = qemu_memory((UINT64_C(12) << 20) + 1),
                                   .vectors = 4,
                                   .loader = "/l,oader",
                                   .lagoon_fd = 7,
                                   .console_fd = 8,
                                   .gdb_fd = -1};
    char **arguments = qemu_command_make(&command);

    cr_assert_not_null(arguments);
    cr_expect_str_eq(arguments[0], "q");
    cr_expect(has(arguments, "-accel", "tcg,thread=multi"));
    cr_expect(has(arguments, "-cpu", "max,-erms"));
    cr_expect(has(arguments, "-smp", "4,sockets=1,cores=4,threads=1"));
    cr_expect(has(arguments, "-m", "45M"));
    cr_expect(has(arguments, "-bios", "qboot.rom"));
    cr_expect(has(arguments, "-kernel", "/l,oader"));
    cr_expect(has(arguments, "-device", "ivshmem-doorbell,chardev=lagoon,vectors=4"));
    cr_expect(!has(arguments, "-S", NULL) && !has(arguments, "-d", NULL));
    qemu_command_free(arguments);

    command.kvm = command.seabios = true;
    command.gdb_fd = 9;
    command.debug = words;
    command.debug_file = "/f";
    arguments = qemu_command_make(&command);
    cr_expect(has(arguments, "-accel", "kvm") && has(arguments, "-cpu", "host"));
    cr_expect(!has(arguments, "-bios", NULL));
    cr_expect(has(arguments, "-S", NULL) && has(arguments, "-gdb", "chardev:gdb"));
    cr_expect(has(arguments, "-d", "int,cpu_reset") && has(arguments, "-D", "/f"));
    qemu_command_free(arguments);
}

Test(qemu, kvm_is_refused_with_the_reason)
{
    char path[] = "/tmp/atoll-test-XXXXXX", why[160];
    int fd = mkstemp(path);

    cr_assert(fd >= 0 && write(fd, "flags\t: fpu svmx lm\nflags\t: vmx\n", 32) == 32);
    cr_expect_not(qemu_kvm_usable(path, "/dev/null", why, sizeof(why)));
    cr_expect_not_null(strstr(why, "neither vmx nor svm"));
    cr_assert(ftruncate(fd, 0) == 0 && pwrite(fd, "flags\t: fpu svm lm\n", 19, 0) == 19);
    cr_expect_not(qemu_kvm_usable(path, "/nonexistent", why, sizeof(why)));
    cr_expect_str_eq(why, "/nonexistent cannot be opened: No such file or directory");
    cr_expect_not(qemu_kvm_usable(path, "/dev/null", why, sizeof(why)));
    cr_expect_not_null(strstr(why, "makes no virtual machine"));
    close(fd);
    unlink(path);
}

/* --- The handshake -------------------------------------------------------------------------------
 */

static int64_t receive(int socket, int *fd)
{
    int64_t word = INT64_MIN;
    struct iovec piece = {&word, sizeof(word)};
    char control[CMSG_SPACE(sizeof(int))];
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};

    *fd = -1;
    if (recvmsg(socket, &message, MSG_DONTWAIT) != sizeof(word))
        return INT64_MIN;
    if (CMSG_FIRSTHDR(&message))
        memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(*fd));
    return word;
}

Test(ivshmem, handshake_is_complete_before_the_client_is_there)
{
    int lagoon = memfd_create("test", MFD_CLOEXEC), client, fd, vectors[255];
    struct ivshmem_server server;
    uint64_t count;

    cr_assert_eq(ivshmem_open(&server, lagoon, 255, &client), 0);
    cr_expect_eq(receive(client, &fd), 0, "the protocol's version");
    cr_expect_eq(receive(client, &fd), IVSHMEM_PEER_MACHINE);
    cr_expect_eq(fd, -1);
    cr_expect_eq(receive(client, &fd), IVSHMEM_PEER_PROXY);
    cr_expect(write(fd, &(uint64_t){1}, 8) == 8);
    cr_expect(ivshmem_take(&server) && !ivshmem_take(&server));
    close(fd);
    cr_expect_eq(receive(client, &fd), -1);
    cr_expect_geq(fd, 0);
    close(fd);
    for (int i = 0; i < 255; i++) {
        cr_assert_eq(receive(client, &vectors[i]), IVSHMEM_PEER_MACHINE);
        cr_assert_geq(vectors[i], 0);
    }
    cr_expect_eq(receive(client, &fd), INT64_MIN);
    ivshmem_ring(&server, 254);
    cr_expect(read(vectors[254], &count, 8) == 8 && count == 1);
    ivshmem_ring(&server, 255); /* no such vector: nothing happens */
    ivshmem_close(&server);
    ivshmem_close(&server);
    cr_expect_eq(ivshmem_open(&server, lagoon, 0, &client), -EINVAL);
}

/* --- The lagoon ----------------------------------------------------------------------------------
 */

Test(lagoon, sections_are_laid_out_and_the_size_is_sealed)
{
    struct lagoon_host lagoon;
    struct shm_section *section;

    cr_assert_eq(lagoon_create(&lagoon, 3, 4, 1000000, 0, stderr), 0);
    memset(lagoon.base + lagoon.image_offset, 0xaa, 1000000);
    cr_assert_eq(lagoon_publish(&lagoon, lagoon.image_offset, 80, 1000, stderr), 0);
    cr_expect_eq(lagoon.size & (lagoon.size - 1), 0);
    cr_expect_eq(lagoon.peers, 5);
    cr_expect_eq(lagoon.image_offset % 4096, 0);
    cr_expect_eq(lagoon.base[lagoon.image_offset + 999999], 0xaa);
    for (uint32_t i = 1; i <= 3; i++) {
        section = shm_section_create(lagoon.base + lagoon.extents[i].offset, lagoon.extents[i].size,
                                     0, i, 5, 4, LAGOON_LOG_SIZE, 1);
        cr_assert_not_null(section);
        cr_expect_geq(section->heap_size, LAGOON_INSTANCE_HEAP);
    }
    cr_expect_null(lagoon_boot(&lagoon));
    section = shm_section_create(lagoon.base + lagoon.extents[4].offset, lagoon.extents[4].size, 0,
                                 4, 5, 1, 4096, 1);
    cr_assert_not_null(section);
    cr_expect_eq((void *)lagoon_boot(&lagoon), (void *)(section + 1));
    cr_expect_eq(ftruncate(lagoon.fd, 4096), -1, "the size is sealed");
    lagoon_close(&lagoon);
    lagoon_close(&lagoon);
}

/* The test's side of fake.h, and the platform that starts a fake machine. */
#include "tests/unit/proxy/fake.h"

#include "proxy/clock.h"
#include "proxy/ivshmem.h"
#include "proxy/lagoon_host.h"
#include "proxy/machine_private.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- The platform --------------------------------------------------------------------------------
 */

struct fake_platform {
    struct platform platform;
    struct ivshmem_server ivshmem;
    struct event_source doorbell, ended;
    pid_t pid;
    int pidfd;
    bool stopping;
};

static fake_script_t current_script;

/* One message of the handshake; *fd is -1 when none came with it. */
static int64_t take_message(int socket, int *fd)
{
    int64_t word = INT64_MIN;
    struct iovec piece = {&word, sizeof(word)};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    *fd = -1;
    if (recvmsg(socket, &message, MSG_DONTWAIT) != sizeof(word))
        return INT64_MIN;
    if (CMSG_FIRSTHDR(&message))
        memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(*fd));
    return word;
}

/* The machine's process. */
static void machine_process(int socket)
{
    static struct fake_machine machine;
    int64_t id = -1, number;
    int fd, vectors[64];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (take_message(socket, &fd) != 0 || fd >= 0 || (id = take_message(socket, &fd)) < 0)
        _exit(71);
    machine.vectors = vectors;
    while ((number = take_message(socket, &fd)) != INT64_MIN) {
        struct stat status;

        if (number == -1) {
            fstat(fd, &status);
            machine.size = (uint64_t)status.st_size;
            machine.base = mmap(NULL, machine.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        } else if (number == id) {
            vectors[machine.vector_count++] = fd;
        } else {
            machine.proxy_doorbell = fd;
        }
    }
    machine.instances = machine.vector_count - 1;
    machine.peers = machine.instances + 2;
    if (!machine.base ||
        shm_view_open(&machine.view, machine.base, machine.size, machine.peers - 1, NULL))
        _exit(72);
    current_script(&machine);
    _exit(0);
}

static void doorbell_ready(struct event_source *source, uint32_t bits)
{
    struct fake_platform *fake = source->context;

    (void)bits;
    ivshmem_take(&fake->ivshmem);
    fake->platform.host.rang(fake->platform.host.context);
}

static void process_ended(struct event_source *source, uint32_t bits)
{
    struct fake_platform *fake = source->context;
    int status;

    (void)bits;
    events_remove(&fake->ended);
    close(fake->pidfd);
    waitpid(fake->pid, &status, 0);
    fake->pid = 0;
    fake->platform.host.ended(fake->platform.host.context,
                              fake->stopping ? NULL : "the fake machine ended by itself");
}

static int start(struct platform *platform)
{
    struct fake_platform *fake = (struct fake_platform *)platform;
    int client;

    if (ivshmem_open(&fake->ivshmem, platform->host.lagoon->fd,
                     (uint32_t)platform->host.machine->instance_count + 1, &client))
        return -EIO;
    platform->started_ns = clock_monotonic_ns();
    fake->pid = fork();
    if (!fake->pid)
        machine_process(client);
    close(client);
    fake->pidfd = (int)syscall(SYS_pidfd_open, fake->pid, 0);
    events_add(platform->host.loop, &fake->doorbell, fake->ivshmem.doorbell, EPOLLIN,
               doorbell_ready, fake);
    events_add(platform->host.loop, &fake->ended, fake->pidfd, EPOLLIN, process_ended, fake);
    return 0;
}

static void ring(struct platform *platform, uint32_t peer)
{
    struct fake_platform *fake = (struct fake_platform *)platform;

    ivshmem_ring(&fake->ivshmem, peer > platform->host.machine->instance_count ? 0 : peer);
}

static void alive(struct platform *platform)
{
    (void)platform;
}

static void stop(struct platform *platform, bool forced)
{
    struct fake_platform *fake = (struct fake_platform *)platform;

    (void)forced;
    fake->stopping = true;
    if (fake->pid)
        kill(fake->pid, SIGKILL);
}

static void release(struct platform *platform)
{
    struct fake_platform *fake = (struct fake_platform *)platform;

    if (fake->pid) {
        kill(fake->pid, SIGKILL);
        waitpid(fake->pid, NULL, 0);
        close(fake->pidfd);
    }
    events_remove(&fake->doorbell);
    events_remove(&fake->ended);
    ivshmem_close(&fake->ivshmem);
    free(fake);
}

static struct platform *make_platform(const struct platform_host *host)
{
    static const struct platform_operations operations = {
        .name = "fake",
        .start = start,
        .ring = ring,
        .alive = alive,
        .stop = stop,
        .release = release,
    };
    struct fake_platform *fake = calloc(1, sizeof(*fake));

    fake->platform.operations = &operations;
    fake->platform.host = *host;
    fake->platform.accelerator = "test";
    return &fake->platform;
}

/* --- Setting up ----------------------------------------------------------------------------------
 */

static void write_elf(const char *path, uint64_t address)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segment;
        uint8_t rest[4096 - sizeof(Elf64_Ehdr) - sizeof(Elf64_Phdr)];
    } file = {.header = {.e_type = ET_EXEC,
                         .e_machine = EM_X86_64,
                         .e_version = EV_CURRENT,
                         .e_entry = address + 0x200,
                         .e_ehsize = sizeof(Elf64_Ehdr),
                         .e_phoff = sizeof(Elf64_Ehdr),
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = 1,
                         .e_shentsize = sizeof(Elf64_Shdr)},
              .segment = {.p_type = PT_LOAD,
                          .p_flags = PF_R | PF_X,
                          .p_vaddr = address,
                          .p_filesz = 4096,
                          .p_memsz = 4096,
                          .p_align = 4096}};
    FILE *out = fopen(path, "w");

    memcpy(file.header.e_ident, ELFMAG, SELFMAG);
    file.header.e_ident[EI_CLASS] = ELFCLASS64;
    file.header.e_ident[EI_DATA] = ELFDATA2LSB;
    file.header.e_ident[EI_VERSION] = EV_CURRENT;
    cr_assert(out && fwrite(&file, sizeof(file), 1, out) == 1);
    fclose(out);
}

void fake_setup(struct fake_setup *setup, size_t count)
{
    static char names[FAKE_INSTANCES_MAX][8] = {"one",  "two", "three", "four",
                                                "five", "six", "seven", "eight"};
    static uint32_t cores[FAKE_INSTANCES_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    static char *empty[] = {NULL};

    memset(setup, 0, sizeof(*setup));
    strcpy(setup->folder, "/tmp/atoll-test-XXXXXX");
    cr_assert_not_null(mkdtemp(setup->folder));
    snprintf(setup->kernel, sizeof(setup->kernel), "%s/kernel", setup->folder);
    snprintf(setup->program, sizeof(setup->program), "%s/program", setup->folder);
    write_elf(setup->kernel, 0xffffffff80000000);
    write_elf(setup->program, 0x400000);
    for (size_t i = 0; i < count; i++)
        setup->instances[i] = (struct instance_config){.name = names[i],
                                                       .cores = &cores[i],
                                                       .core_count = 1,
                                                       .memory = CONFIG_MEMORY_MIN,
                                                       .program = setup->program,
                                                       .arguments = empty,
                                                       .environment = empty};
    setup->machine = (struct machine_config){
        .cores = (uint32_t)count, .instances = setup->instances, .instance_count = count};
    setup->options = (struct run_options){.log = MACHINE_LOG_WARN,
                                          .qemu = "qemu-system-x86_64",
                                          .loader = setup->kernel,
                                          .kernel = setup->kernel};
}

void fake_clean(struct fake_setup *setup)
{
    unlink(setup->kernel);
    unlink(setup->program);
    cr_expect(rmdir(setup->folder) == 0, "a file was left behind in %s", setup->folder);
}

/* --- Running -------------------------------------------------------------------------------------
 */

static int count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

void fake_run_start(struct fake_run *run, const struct fake_setup *setup, fake_script_t script,
                    bool in)
{
    int pipes[3][2];

    for (int i = 0; i < 3; i++)
        cr_assert(pipe2(pipes[i], O_CLOEXEC) == 0);
    current_script = script;
    run->pid = fork();
    cr_assert(run->pid >= 0);
    if (!run->pid) {
        int before, status, leaked;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!in) {
            close(pipes[0][0]);
            pipes[0][0] = open("/dev/null", O_RDONLY);
        }
        dup2(pipes[0][0], 0);
        dup2(pipes[1][1], 1);
        dup2(pipes[2][1], 2);
        for (int i = 0; i < 3; i++) {
            close(pipes[i][0]);
            close(pipes[i][1]);
        }
        before = count_descriptors();
        status = machine_run_on(&setup->machine, &setup->options, make_platform);
        leaked = count_descriptors() != before;
        _exit(leaked || __lsan_do_recoverable_leak_check() ? 99 : status);
    }
    close(pipes[0][0]);
    close(pipes[1][1]);
    close(pipes[2][1]);
    run->in = pipes[0][1];
    run->out = pipes[1][0];
    run->err = pipes[2][0];
    if (!in) {
        close(run->in);
        run->in = -1;
    }
}

static void take_bytes(int *fd, char **text, size_t *length)
{
    *text = realloc(*text, *length + 65536 + 1);
    ssize_t count = read(*fd, *text + *length, 65536);

    if (count > 0) {
        *length += (size_t)count;
    } else {
        close(*fd);
        *fd = -1;
    }
    (*text)[*length] = '\0';
}

void fake_run_finish(struct fake_run *run, struct fake_result *result)
{
    int status;

    *result = (struct fake_result){.out = calloc(1, 1), .err = calloc(1, 1)};
    while (run->out >= 0 || run->err >= 0) {
        struct pollfd looks[2] = {{.fd = run->out, .events = POLLIN},
                                  {.fd = run->err, .events = POLLIN}};

        if (poll(looks, 2, 20000) <= 0) {
            kill(run->pid, SIGKILL);
            cr_expect(false, "the run does not end; so far: %s", result->err);
            break;
        }
        if (looks[0].revents)
            take_bytes(&run->out, &result->out, &result->out_length);
        if (looks[1].revents)
            take_bytes(&run->err, &result->err, &result->err_length);
    }
    if (run->in >= 0)
        close(run->in);
    cr_assert(waitpid(run->pid, &status, 0) == run->pid);
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void fake_result_free(struct fake_result *result)
{
    free(result->out);
    free(result->err);
}

void fake_run(struct fake_result *result, const struct fake_setup *setup, fake_script_t script)
{
    struct fake_run run;

    fake_run_start(&run, setup, script, false);
    fake_run_finish(&run, result);
}

void fake_expect(int fd, const char *text)
{
    char seen[65536];
    size_t length = 0;

    while (length < sizeof(seen) - 1) {
        struct pollfd look = {.fd = fd, .events = POLLIN};
        ssize_t count;

        seen[length] = '\0';
        if (strstr(seen, text))
            return;
        if (poll(&look, 1, 10000) != 1 || (count = read(fd, seen + length, 1)) <= 0)
            break;
        length += (size_t)count;
    }
    cr_assert_fail("'%s' was expected, but there was: %s", text, seen);
}

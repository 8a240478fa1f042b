/* Files that are more than names and bytes: named pipes, files without a name, sealed memory files,
 * paths that may not leave a folder, moving bytes between files, appending writes. In memory only.
 * The same lines must come out on Linux. Argument: a folder. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *outcome(long result)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {{EAGAIN, "EAGAIN"},   {EBADF, "EBADF"},   {EINVAL, "EINVAL"}, {EPERM, "EPERM"},
                 {ENXIO, "ENXIO"},     {EXDEV, "EXDEV"},   {ELOOP, "ELOOP"},   {ENOENT, "ENOENT"},
                 {ESPIPE, "ESPIPE"},   {EEXIST, "EEXIST"}, {ESRCH, "ESRCH"},   {EFAULT, "EFAULT"},
                 {ENOTDIR, "ENOTDIR"}, {E2BIG, "E2BIG"}};
    static char text[32];

    if (result >= 0) {
        snprintf(text, sizeof(text), "%ld", result);
        return text;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].error == errno)
            return names[i].name;
    return strerror(errno);
}

static const char *fine(long result)
{
    return result >= 0 ? "fine" : outcome(result);
}

/* --- Named pipes ------------------------------------------------------------------------------ */

static void *write_later(void *argument)
{
    usleep(20000);
    int fd = open(argument, O_WRONLY);
    (void)!write(fd, "through the name", 16);
    close(fd);
    return NULL;
}

static void *read_later(void *argument)
{
    static char text[64];

    usleep(20000);
    int fd = open(argument, O_RDONLY);
    (void)!read(fd, text, sizeof(text));
    close(fd);
    return text;
}

static const char *ready(struct pollfd *entry)
{
    if (poll(entry, 1, 0) == 0)
        return "nothing";
    return entry->revents == POLLIN ? "in" : entry->revents == POLLHUP ? "hung up" : "other";
}

static void try_fifos(void)
{
    char text[64] = "", *other;
    struct stat status;
    pthread_t thread;

    printf("make: %s\n", outcome(mkfifo("fifo", 0640)));
    printf("again: %s\n", outcome(mkfifo("fifo", 0640)));
    stat("fifo", &status);
    printf("status: %o\n", status.st_mode);
    printf("nobody reads: %s\n", outcome(open("fifo", O_WRONLY | O_NONBLOCK)));
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);
    struct pollfd entry = {reader, POLLIN, 0};
    printf("nobody has come: %s\n", ready(&entry));
    printf("nothing: %s\n", outcome(read(reader, text, sizeof(text))));
    int writer = open("fifo", O_WRONLY | O_NONBLOCK);
    printf("somebody reads: %s\n", fine(writer));
    printf("empty: %s\n", outcome(read(reader, text, sizeof(text))));
    printf("written: %s\n", outcome(write(writer, "hello", 5)));
    printf("told: %s\n", ready(&entry));
    printf("read: %s\n", outcome(read(reader, text, sizeof(text))));
    fstat(writer, &status);
    printf("status: %o\n", status.st_mode);
    close(writer);
    printf("hung up: %s\n", ready(&entry));
    close(reader);
    pthread_create(&thread, NULL, write_later, (void *)"fifo");
    reader = open("fifo", O_RDONLY); /* waits for the writer */
    printf("waited: %s\n", outcome(read(reader, text, sizeof(text))));
    pthread_join(thread, NULL);
    printf("the end: %s\n", outcome(read(reader, text, sizeof(text))));
    close(reader);
    pthread_create(&thread, NULL, read_later, (void *)"fifo");
    writer = open("fifo", O_WRONLY); /* waits for the reader */
    printf("written: %s\n", outcome(write(writer, "other way", 9)));
    pthread_join(thread, (void **)&other);
    printf("it read: %s\n", other);
    close(writer);
    int both = open("fifo", O_RDWR);
    printf("both ends: %s, ", outcome(write(both, "loop", 4)));
    printf("%s\n", outcome(read(both, text, sizeof(text))));
    printf("unlink: %s\n", outcome(unlink("fifo")));
    printf("still there: %s\n", outcome(write(both, "loop", 4)));
    close(both);
}

/* --- Files without a name --------------------------------------------------------------------- */

static void try_unnamed(void)
{
    char path[64], text[16] = "";
    struct stat status;
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);

    printf("made: %s\n", fine(fd));
    printf("written: %s\n", outcome(write(fd, "secret", 6)));
    fstat(fd, &status);
    printf("status: %lu names\n", (unsigned long)status.st_nlink);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    printf("named: %s\n", outcome(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW)));
    close(fd);
    fd = open("named", O_RDONLY);
    printf("read: %s\n", outcome(read(fd, text, sizeof(text))));
    close(fd);
    unlink("named");
    fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    printf("never: %s\n", outcome(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW)));
    close(fd);
    printf("to read: %s\n", outcome(open(".", O_TMPFILE | O_RDONLY, 0600)));
    printf("no folder: %s\n", outcome(open("nothing", O_TMPFILE | O_RDWR, 0600)));
}

/* --- Seals ------------------------------------------------------------------------------------ */

static void try_seals(void)
{
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING), plain = memfd_create("plain", 0);
    char text[8] = "";

    printf("none: %s\n", outcome(fcntl(fd, F_GET_SEALS)));
    printf("written: %s\n", outcome(write(fd, "12345678", 8)));
    printf("sealed: %s\n", outcome(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)));
    printf("seals: %s\n", outcome(fcntl(fd, F_GET_SEALS)));
    printf("shrink: %s\n", outcome(ftruncate(fd, 4)));
    printf("grow: %s\n", outcome(ftruncate(fd, 9)));
    printf("the same: %s\n", outcome(ftruncate(fd, 8)));
    printf("behind the end: %s\n", outcome(pwrite(fd, "x", 1, 8)));
    printf("room: %s\n", outcome(fallocate(fd, 0, 0, 9)));
    printf("inside: %s\n", outcome(pwrite(fd, "x", 1, 7)));
    printf("no writing: %s\n", outcome(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)));
    printf("inside: %s\n", outcome(pwrite(fd, "y", 1, 7)));
    printf("hole: %s\n", outcome(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4)));
    printf("read: %s\n", outcome(pread(fd, text, 8, 0)));
    printf("no more: %s\n", outcome(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL)));
    printf("again: %s\n", outcome(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL)));
    printf("plain: %s, ", outcome(fcntl(plain, F_GET_SEALS)));
    printf("%s\n", outcome(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW)));
    printf("unknown: %s\n", outcome(fcntl(fd, F_ADD_SEALS, 0x100)));
    printf("the console: %s\n", outcome(fcntl(0, F_GET_SEALS)));
    close(fd);
    close(plain);
}

/* --- Paths that may not leave ----------------------------------------------------------------- */

/* As <linux/openat2.h>, which musl does not find. */
struct open_how {
    uint64_t flags, mode, resolve;
};
#define RESOLVE_NO_XDEV 1
#define RESOLVE_NO_MAGICLINKS 2
#define RESOLVE_NO_SYMLINKS 4
#define RESOLVE_BENEATH 8
#define RESOLVE_IN_ROOT 16

static long open_how(int folder, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .resolve = resolve};
    long fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));

    if (fd >= 0)
        close((int)fd);
    return fd;
}

static void resolve(const char *name, uint64_t how)
{
    static const char *const paths[] = {"file",    "in/file", "in/../file",     "../file",
                                        "/file",   "up/file", "root/tmp",       "link",
                                        "in/link", "in",      "/proc/self/exe", "magic"};
    int folder = open("inside", O_RDONLY | O_DIRECTORY);

    printf("%s:", name);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        printf(" %s", fine(open_how(folder, paths[i], O_RDONLY, how)));
    puts("");
    close(folder);
}

static void touch(const char *path)
{
    close(open(path, O_WRONLY | O_CREAT, 0644));
}

static void try_resolve(void)
{
    mkdir("inside", 0755);
    mkdir("inside/in", 0755);
    touch("inside/file");
    touch("inside/in/file");
    touch("file");
    (void)!symlink("..", "inside/up");
    (void)!symlink("/", "inside/root");
    (void)!symlink("file", "inside/link");
    (void)!symlink("../file", "inside/in/link");
    (void)!symlink("/proc/self/exe", "inside/magic");
    resolve("anywhere", 0);
    resolve("beneath", RESOLVE_BENEATH);
    resolve("in the root", RESOLVE_IN_ROOT);
    resolve("no links", RESOLVE_NO_SYMLINKS);
    resolve("no magic", RESOLVE_NO_MAGICLINKS);
    printf("both: %s\n", outcome(open_how(AT_FDCWD, "file", 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT)));
    printf("unknown: %s\n", outcome(open_how(AT_FDCWD, "file", 0, 0x1000)));
    printf("another mount: %s\n",
           outcome(open_how(AT_FDCWD, "/proc/self/exe", 0, RESOLVE_NO_XDEV)));
}

/* --- Moving bytes ----------------------------------------------------------------------------- */

static void try_splice(void)
{
    int pipes[2], others[2], fd = open("spliced", O_RDWR | O_CREAT | O_TRUNC, 0644);
    char text[32] = "";
    loff_t offset = 2;

    (void)!pipe(pipes);
    (void)!pipe(others);
    (void)!write(fd, "0123456789", 10);
    printf("from a file: %s", outcome(splice(fd, &offset, pipes[1], NULL, 5, 0)));
    printf(", at %ld\n", (long)offset);
    printf("tee: %s\n", outcome(tee(pipes[0], others[1], 100, 0)));
    printf("the copy: %s", outcome(read(others[0], text, sizeof(text))));
    printf(" %.5s\n", text);
    offset = 20;
    printf("into a file: %s", outcome(splice(pipes[0], NULL, fd, &offset, 100, 0)));
    printf(", at %ld\n", (long)offset);
    printf("now: %s", outcome(pread(fd, text, sizeof(text), 20)));
    printf(" %.5s\n", text);
    printf("empty: %s\n", outcome(splice(pipes[0], NULL, others[1], NULL, 5, SPLICE_F_NONBLOCK)));
    struct iovec pieces[2] = {{(void *)"ab", 2}, {(void *)"cde", 3}};
    printf("from memory: %s\n", outcome(vmsplice(pipes[1], pieces, 2, 0)));
    printf("pipe to pipe: %s\n", outcome(splice(pipes[0], NULL, others[1], NULL, 3, 0)));
    printf("the rest: %s\n", outcome(read(pipes[0], text, sizeof(text))));
    printf("no pipe: %s\n", outcome(splice(fd, NULL, fd, NULL, 5, 0)));
    printf("offset of a pipe: %s\n", outcome(splice(pipes[0], &offset, fd, NULL, 5, 0)));
    printf("the same pipe: %s\n", outcome(splice(pipes[0], NULL, pipes[1], NULL, 5, 0)));
    printf("the wrong end: %s\n", outcome(splice(pipes[1], NULL, fd, NULL, 5, 0)));
    printf("tee of a file: %s\n", outcome(tee(fd, others[1], 5, 0)));
    close(pipes[1]);
    printf("the end: %s\n", outcome(splice(pipes[0], NULL, fd, NULL, 5, 0)));
    close(fd);
}

static long write_flags(int fd, const struct iovec *piece, long offset, int flags)
{
    return syscall(SYS_pwritev2, fd, piece, 1L, offset, 0L, flags);
}

static long read_flags(int fd, const struct iovec *piece, long offset, int flags)
{
    return syscall(SYS_preadv2, fd, piece, 1L, offset, 0L, flags);
}

static void try_flags(void)
{
    int fd = open("flags", O_RDWR | O_CREAT | O_TRUNC, 0644);
    struct iovec piece = {(void *)"abc", 3}, out = {(char[16]){0}, 16};

    (void)!write(fd, "0123", 4);
    printf("append: %s, ", outcome(write_flags(fd, &piece, 0, 0x10)));
    printf("at %ld\n", (long)lseek(fd, 0, SEEK_CUR));
    printf("with the position: %s, ", outcome(write_flags(fd, &piece, -1, 0x10)));
    printf("at %ld\n", (long)lseek(fd, 0, SEEK_CUR));
    printf("synced: %s\n", outcome(write_flags(fd, &piece, 0, 2)));
    printf("all of it: %s ", outcome(read_flags(fd, &out, 0, 0)));
    printf("%.10s\n", (char *)out.iov_base);
    printf("unknown: %s\n", read_flags(fd, &out, 0, 0x1000) < 0 ? "refused" : "taken");
    close(fd);
}

/* --- The process itself ----------------------------------------------------------------------- */

static void try_process(void)
{
    char from[32] = "across", to[32] = "", far[32] = "";
    struct iovec local[2] = {{to, 3}, {to + 8, 8}}, remote[2] = {{from, 7}, {far, 4}};
    struct iovec bad = {(void *)8, 4};
    struct {
        unsigned size, policy;
        unsigned long flags;
        int nice;
        unsigned priority;
        unsigned long deadline[3];
    } attributes = {0};

    printf("read: %s", outcome(process_vm_readv(getpid(), local, 2, remote, 2, 0)));
    printf(" %s %s\n", to, to + 8);
    printf("write: %s", outcome(process_vm_writev(getpid(), remote, 1, remote + 1, 1, 0)));
    printf(" %s\n", far);
    printf("nobody: %s\n", outcome(process_vm_readv(99999999, local, 1, remote, 1, 0)));
    printf("bad: %s\n", outcome(process_vm_readv(getpid(), local, 1, &bad, 1, 0)));
    printf("flags: %s\n", outcome(process_vm_readv(getpid(), local, 1, remote, 1, 1)));
    printf("attributes: %s", outcome(syscall(SYS_sched_getattr, 0, &attributes, 48, 0)));
    printf(" %u\n", attributes.policy);
    attributes.nice = 19; /* whatever the test was started with */
    printf("set: %s\n", outcome(syscall(SYS_sched_setattr, 0, &attributes, 0)));
    syscall(SYS_sched_getattr, 0, &attributes, 48, 0);
    printf("now %d\n", attributes.nice);
    attributes.policy = 99;
    printf("policy: %s\n", outcome(syscall(SYS_sched_setattr, 0, &attributes, 0)));
    printf("short: %s\n", outcome(syscall(SYS_sched_getattr, 0, &attributes, 40, 0)));
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (chdir(argc > 1 ? argv[1] : "/tmp") != 0)
        return 1;
    umask(022);
    try_fifos();
    try_unnamed();
    try_seals();
    try_resolve();
    try_splice();
    try_flags();
    try_process();
    return 0;
}

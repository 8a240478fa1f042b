/* Shared mappings of files: what one mapping, another, read, write and truncate show of each other.
 * Argument: a folder, and how to end after storing in a mapping that stays: exit, abort, signal,
 * thread; or which side to be of two who take turns at one file, first or second. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static const char *outcome(long result)
{
    return result >= 0       ? "fine"
           : errno == EACCES ? "EACCES"
           : errno == EPERM  ? "EPERM"
           : errno == EINVAL ? "EINVAL"
           : errno == EBUSY  ? "EBUSY"
           : errno == ENODEV ? "ENODEV"
                             : strerror(errno);
}

static char *map(int fd, size_t pages, int protection, int type, off_t page)
{
    char *at = mmap(NULL, pages * PAGE, protection, type, fd, page * PAGE);

    return at == MAP_FAILED ? NULL : at;
}

static sigjmp_buf back;

static void on_signal(int signal)
{
    siglongjmp(back, signal);
}

static const char *touch(volatile char *at, bool write)
{
    int signal = sigsetjmp(back, 1);

    if (signal != 0)
        return signal == SIGBUS ? "SIGBUS" : "SIGSEGV";
    if (write)
        *at = 'w';
    else
        (void)*at;
    return "fine";
}

/* The same in memory files and in a folder. */
static void try_read_only(int fd)
{
    char *view = map(fd, 4, PROT_READ, MAP_SHARED, 0), text[8] = "";

    if (view == NULL) {
        puts("not mapped");
        return;
    }
    printf("first bytes: %.5s\n", view);
    (void)!pwrite(fd, "HELLO", 5, 0);
    printf("after a write: %.5s\n", view);
    printf("the hole: %d\n", view[PAGE + 7]);
    (void)!pwrite(fd, "x", 1, PAGE + 7);
    printf("filled: %d\n", view[PAGE + 7]);
    printf("behind the end: %s\n", touch(view + 3 * PAGE, false));
    printf("cut: %s\n", outcome(ftruncate(fd, PAGE)));
    printf("now behind it: %s\n", touch(view + PAGE, false));
    printf("grown: %s\n", outcome(ftruncate(fd, (off_t)3 * PAGE)));
    printf("zeros: %d %s\n", view[PAGE + 7], touch(view + 2 * PAGE, false));
    printf("no writing: %s\n", touch(view, true));
    (void)!pread(fd, text, 5, 0);
    printf("read: %.5s\n", text);
    printf("unmap: %s\n", outcome(munmap(view, 4 * PAGE)));
}

static void try_writable(int fd)
{
    char *one = map(fd, 3, PROT_READ | PROT_WRITE, MAP_SHARED, 0), text[8] = "";
    char *two = map(fd, 2, PROT_READ | PROT_WRITE, MAP_SHARED, 1);
    char *own = map(fd, 3, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);

    strcpy(one, "mapped");
    (void)!pread(fd, text, 7, 0);
    printf("read: %s\n", text);
    printf("private, not touched yet: %s\n", own);
    strcpy(own, "my own");
    printf("still: %s\n", one);
    strcpy(two + 5, "second");
    printf("in the first: %s\n", one + PAGE + 5);
    (void)!pwrite(fd, "written", 8, PAGE + 5);
    printf("by write: %s, %s\n", one + PAGE + 5, two + 5);
    printf("sync: %s\n", outcome(msync(one, (size_t)3 * PAGE, MS_SYNC)));
    printf("drop: %s, %s\n", outcome(madvise(one, PAGE, MADV_DONTNEED)), one);
    char *moved = mremap(two, (size_t)2 * PAGE, (size_t)20 * PAGE, MREMAP_MAYMOVE);
    printf("moved: %s\n", moved == MAP_FAILED ? "no" : moved + 5);
    printf("behind the end: %s\n", touch(moved + 2 * PAGE, true));
    printf("grown: %s\n", outcome(ftruncate(fd, (off_t)4 * PAGE)));
    printf("there now: %s\n", touch(moved + 2 * PAGE, true));
    (void)!pread(fd, text, 1, (off_t)3 * PAGE);
    printf("in the file: %c\n", text[0]);
    printf("to read: %s\n", outcome(mprotect(one, PAGE, PROT_READ)));
    printf("no writing: %s\n", touch(one, true));
    printf("again: %s\n", outcome(mprotect(one, PAGE, PROT_READ | PROT_WRITE)));
    printf("writing: %s %c\n", touch(one, true), one[0]);
    printf("cut: %s\n", outcome(ftruncate(fd, 10)));
    printf("behind: %s, inside: %s\n", touch(one + PAGE, false), touch(one + 20, false));
    printf("private stays: %s\n", own);
    munmap(one, (size_t)3 * PAGE);
    munmap(moved, (size_t)20 * PAGE);
    munmap(own, (size_t)3 * PAGE);
}

static void try_permissions(const char *path)
{
    int fd = open(path, O_RDONLY), sealed = memfd_create("sealed", MFD_ALLOW_SEALING);

    printf("writable, read only: %s\n",
           outcome(map(fd, 1, PROT_READ | PROT_WRITE, MAP_SHARED, 0) ? 0 : -1));
    char *view = map(fd, 1, PROT_READ, MAP_SHARED, 0);
    printf("made writable: %s\n", outcome(mprotect(view, PAGE, PROT_READ | PROT_WRITE)));
    munmap(view, PAGE);
    close(fd);
    (void)!ftruncate(sealed, PAGE);
    view = map(sealed, 1, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    printf("mapped: %s\n", outcome(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE)));
    strcpy(view, "kept");
    close(sealed);
    printf("closed: %s\n", view);
    sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
    (void)!ftruncate(sealed, PAGE);
    munmap(view, PAGE);
    printf("sealed: %s\n", outcome(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE)));
    printf("writable: %s\n",
           outcome(map(sealed, 1, PROT_READ | PROT_WRITE, MAP_SHARED, 0) ? 0 : -1));
    close(sealed);
}

/* Memory comes back: more than there is, one after the other. */
static void try_many(void)
{
    unsigned good = 0;

    for (int i = 0; i < 200; i++) {
        int fd = memfd_create("many", 0);
        size_t size = (size_t)1 << 20;

        (void)!ftruncate(fd, (off_t)size);
        char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (at == MAP_FAILED)
            continue;
        memset(at, i, size);
        good += at[size - 1] == (char)i;
        munmap(at, size);
    }
    printf("%u mappings\n", good);
}

static void *stay_busy(void *argument)
{
    for (;;)
        (void)*(volatile char *)argument;
    return NULL;
}

static char *map_named(const char *folder, const char *name, int *fd)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    *fd = open(path, O_RDWR | O_CREAT, 0644);
    (void)!ftruncate(*fd, (off_t)2 * PAGE);
    return map(*fd, 2, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
}

/* Stores, and ends in one of several ways without a word to the file. */
static int end(const char *folder, const char *way)
{
    char path[256];
    pthread_t thread;
    int fd, other;
    char *at = map_named(folder, "left", &fd), *there = map_named(folder, "gone", &other);

    strcpy(at + PAGE - 2, "left behind");
    strcpy(there, "without a name");
    close(fd);
    close(other);
    snprintf(path, sizeof(path), "%s/gone", folder);
    unlink(path);
    strcpy(at + PAGE + 100, "after close");
    strcpy(there, "nobody's");
    printf("%s %s\n", at + PAGE - 2, way);
    if (strcmp(way, "abort") == 0)
        abort();
    if (strcmp(way, "signal") == 0)
        raise(SIGTERM);
    if (strcmp(way, "thread") == 0)
        pthread_create(&thread, NULL, stay_busy, at);
    return 3;
}

/* Waits until the other side has come so far: a file with this name is there. */
static void await(const char *folder, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (int i = 0; access(path, F_OK) != 0; i++) {
        if (i == 6000)
            exit(9);
        usleep(10000);
    }
}

static void say(const char *folder, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    close(open(path, O_WRONLY | O_CREAT, 0644));
}

/* What has been synchronised is there for who maps, or reads, after that. */
static void take_turns(const char *folder, bool first)
{
    int fd;
    char *at = map_named(folder, "turns", &fd), text[8] = "";

    if (first) {
        strcpy(at, "one");
        printf("sync: %s\n", outcome(msync(at, (size_t)2 * PAGE, MS_SYNC)));
        printf("nothing there yet: %d\n", at[PAGE]);
        say(folder, "first-done");
        await(folder, "second-done");
        strcpy(at + 100, "kept");
        munmap(at, (size_t)2 * PAGE);
        at = map(fd, 2, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
        printf("mapped anew: %s %s %s\n", at, at + 100, at + PAGE);
        return;
    }
    await(folder, "first-done");
    (void)!pread(fd, text, 4, 0);
    printf("read: %s, mapped: %s\n", text, at);
    strcpy(at + PAGE, "two");
    printf("sync: %s\n", outcome(fsync(fd)));
    say(folder, "second-done");
}

static int meet(const char *folder, const char *way)
{
    if (strcmp(way, "first") != 0 && strcmp(way, "second") != 0)
        return end(folder, way);
    take_turns(folder, strcmp(way, "first") == 0);
    return 0;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    char path[256];

    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2)
        return meet(argv[1], argv[2]);
    snprintf(path, sizeof(path), "%s/shared", argc > 1 ? argv[1] : "/tmp");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    (void)!write(fd, "hello", 5);
    (void)!ftruncate(fd, (off_t)2 * PAGE + 1);
    try_read_only(fd);
    try_writable(fd);
    try_permissions(path);
    try_many();
    close(fd);
    unlink(path);
    return 0;
}

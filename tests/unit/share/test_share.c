/* Confinement: whatever path an instance's kernel sends (a hostile one may send any), nothing
 * outside the mounted folder is read, changed or made. Each test has a folder "inside", which is
 * mounted, beside a folder "outside" with a secret. */
#include "proxy/share.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64], previous[4096];
static struct share share;

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file, "%s", path);
    fputs(text, file);
    fclose(file);
}

static void mount_inside(bool writable)
{
    char host[] = "inside", guest[] = "/data";
    struct mount_config mount = {.host = host, .guest = guest, .writable = writable};
    size_t which;

    share_close(&share);
    cr_assert_eq(share_open(&share, &mount, 1, &which), 0);
    share.handles_max = 100;
}

static void set_up(void)
{
    cr_assert_not_null(getcwd(previous, sizeof(previous)));
    snprintf(root, sizeof(root), "/tmp/atoll-share-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    cr_assert_eq(chdir(root), 0);
    mkdir("inside", 0755);
    mkdir("outside", 0755);
    mkdir("inside/folder", 0755);
    write_file("outside/secret", "secret");
    write_file("inside/file", "plain");
    write_file("inside/folder/deep", "deep");
    cr_assert_eq(symlink("../outside", "inside/up"), 0);
    cr_assert_eq(symlink("../outside/secret", "inside/link"), 0);
    cr_assert_eq(symlink("/proc/self/root", "inside/magic"), 0);
    char absolute[128];
    snprintf(absolute, sizeof(absolute), "%s/outside", root);
    cr_assert_eq(symlink(absolute, "inside/absolute"), 0);
    mount_inside(true);
}

static void tear_down(void)
{
    char command[128];

    share_close(&share);
    (void)!chdir(previous);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

static struct share_job *make_job(enum io_file_operation operation, const char *path,
                                  const char *second)
{
    struct share_job *job = calloc(1, sizeof(*job));

    job->request.operation = operation;
    job->share = &share;
    job->path = strdup(path);
    job->second = strdup(second ? second : "");
    return job;
}

static void free_job(struct share_job *job)
{
    share_handle_put(job->handle);
    share_handle_put(job->opened);
    free(job->path);
    free(job->second);
    free(job);
}

static int64_t run(enum io_file_operation operation, const char *path, const char *second,
                   uint32_t flags)
{
    struct share_job *job = make_job(operation, path, second);
    int64_t result;

    job->request.flags = flags;
    job->request.mode = 0644;
    job->request.which = IO_CHANGE_MODE;
    share_execute(job);
    result = job->result;
    free_job(job);
    return result;
}

/* Reads the file, or returns the error. */
static int64_t read_through(const char *path, char *text, size_t size)
{
    struct share_job *job = make_job(IO_FILE_OPEN, path, NULL);
    int64_t result;

    share_execute(job);
    result = job->result;
    if (result == 0) {
        cr_assert_not_null(job->opened);
        struct share_job *read = make_job(IO_FILE_READ, "", NULL);
        read->handle = job->opened;
        job->opened = NULL;
        read->request.size = (uint32_t)size - 1;
        share_execute(read);
        result = read->result;
        if (result >= 0) {
            memcpy(text, read->answer, (size_t)result);
            text[result] = '\0';
        }
        free_job(read);
    }
    free_job(job);
    return result;
}

static const char *const escapes[] = {
    "../outside/secret",
    "folder/../../outside/secret",
    "up/secret",
    "absolute/secret",
    "link",
    "magic/etc/passwd",
    "/etc/passwd",
    "..",
    "../..",
    ".",
    "folder/..",
    "folder/.",
    "folder/",
    "up/../../../etc/passwd",
};

Test(share, files_inside_are_reached, .init = set_up, .fini = tear_down)
{
    char text[64];

    cr_assert_eq(read_through("file", text, sizeof(text)), 5);
    cr_assert_str_eq(text, "plain");
    cr_assert_eq(read_through("folder/deep", text, sizeof(text)), 4);
}

Test(share, no_path_reads_what_is_outside, .init = set_up, .fini = tear_down)
{
    char text[64] = "";

    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        int64_t result = read_through(escapes[i], text, sizeof(text));

        cr_assert_lt(result, 0, "%s: %ld, '%s'", escapes[i], (long)result, text);
        cr_assert(!strstr(text, "secret") && !strstr(text, "root:"), "%s", escapes[i]);
    }
}

Test(share, no_path_changes_what_is_outside, .init = set_up, .fini = tear_down)
{
    static const enum io_file_operation operations[] = {IO_FILE_MAKE_FOLDER, IO_FILE_MAKE_LINK,
                                                        IO_FILE_TRUNCATE, IO_FILE_CHANGE};
    struct stat status;
    char text[64];

    chmod("outside/secret", 0600);
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        for (size_t k = 0; k < sizeof(operations) / sizeof(operations[0]); k++)
            run(operations[k], escapes[i], "x", 0);
        run(IO_FILE_RENAME, escapes[i], "gone", 0);
        run(IO_FILE_RENAME, "file", escapes[i], 0);
        run(IO_FILE_LINK, escapes[i], "taken", 0);
        run(IO_FILE_OPEN, escapes[i], NULL, O_WRONLY | O_CREAT | O_TRUNC);
        run(IO_FILE_REMOVE, escapes[i], NULL, 0);
        run(IO_FILE_REMOVE, escapes[i], NULL, 1);
        run(IO_FILE_REMOVE, "gone", NULL, 0);
    }
    cr_assert_eq(stat("outside/secret", &status), 0);
    cr_assert_eq(status.st_size, 6);
    cr_assert_eq(status.st_mode & 07777, 0600);
    cr_assert_eq(status.st_nlink, 1);
    cr_assert_eq(stat("outside", &status), 0);
    cr_assert_eq(status.st_nlink, 2); /* no folder was made in it */
    FILE *file = fopen("outside/secret", "r");
    cr_assert_not_null(fgets(text, sizeof(text), file));
    fclose(file);
    cr_assert_str_eq(text, "secret");
}

Test(share, read_only_is_read_only, .init = set_up, .fini = tear_down)
{
    struct stat status;

    mount_inside(false);
    cr_assert_eq(run(IO_FILE_OPEN, "file", NULL, O_WRONLY), -EROFS);
    cr_assert_eq(run(IO_FILE_OPEN, "new", NULL, O_RDONLY | O_CREAT), -EROFS);
    cr_assert_eq(run(IO_FILE_OPEN, "file", NULL, O_RDONLY | O_TRUNC), -EROFS);
    cr_assert_eq(run(IO_FILE_REMOVE, "file", NULL, 0), -EROFS);
    cr_assert_eq(run(IO_FILE_RENAME, "file", "other", 0), -EROFS);
    cr_assert_eq(run(IO_FILE_LINK, "file", "other", 0), -EROFS);
    cr_assert_eq(run(IO_FILE_MAKE_FOLDER, "new", NULL, 0), -EROFS);
    cr_assert_eq(run(IO_FILE_MAKE_LINK, "new", "x", 0), -EROFS);
    cr_assert_eq(run(IO_FILE_TRUNCATE, "file", NULL, 0), -EROFS);
    cr_assert_eq(run(IO_FILE_CHANGE, "file", NULL, 0), -EROFS);
    cr_assert_eq(run(IO_FILE_OPEN, "file", NULL, O_RDONLY), 0);
    cr_assert_eq(stat("inside/file", &status), 0);
    cr_assert_eq(status.st_size, 5);
}

Test(share, what_is_no_file_is_not_opened, .init = set_up, .fini = tear_down)
{
    cr_assert_eq(mkfifo("inside/fifo", 0600), 0);
    cr_assert_eq(run(IO_FILE_OPEN, "fifo", NULL, O_RDONLY), -ENXIO);
    cr_assert_eq(run(IO_FILE_OPEN, "fifo", NULL, O_RDWR), -ENXIO);
}

Test(share, no_set_user_id_is_made, .init = set_up, .fini = tear_down)
{
    struct share_job *job = make_job(IO_FILE_OPEN, "program", NULL);
    struct stat status;

    job->request.flags = O_WRONLY | O_CREAT | O_EXCL;
    job->request.mode = 06755;
    share_execute(job);
    cr_assert_eq(job->result, 0);
    free_job(job);
    cr_assert_eq(stat("inside/program", &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0755);
}

Test(share, long_paths_are_errors, .init = set_up, .fini = tear_down)
{
    char path[8300];

    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    cr_assert_eq(run(IO_FILE_STATUS, path, NULL, 0), -ENAMETOOLONG);
    path[300] = '\0';
    cr_assert_eq(run(IO_FILE_STATUS, path, NULL, 0), -ENAMETOOLONG);
    for (size_t i = 1; i < sizeof(path) - 1; i += 2)
        path[i - 1] = 'a', path[i] = '/';
    path[sizeof(path) - 2] = 'a';
    cr_assert_lt(run(IO_FILE_STATUS, path, NULL, 0), 0);
}

/* A folder on the way becomes a link to the outside, and a folder again, while it is walked. */
struct swapper {
    _Atomic bool stop;
};

static void *swap(void *argument)
{
    struct swapper *swapper = argument;

    while (!atomic_load(&swapper->stop)) {
        (void)!renameat2(AT_FDCWD, "inside/way", AT_FDCWD, "inside/trap", RENAME_EXCHANGE);
    }
    return NULL;
}

Test(share, links_swapped_during_the_walk, .init = set_up, .fini = tear_down)
{
    struct swapper swapper = {false};
    pthread_t thread;
    char text[64];

    cr_assert_eq(mkdir("inside/way", 0755), 0);
    write_file("inside/way/secret", "harmless");
    cr_assert_eq(symlink("../outside", "inside/trap"), 0);
    cr_assert_eq(pthread_create(&thread, NULL, swap, &swapper), 0);
    for (int i = 0; i < 3000; i++) {
        int64_t result = read_through("way/secret", text, sizeof(text));

        cr_assert(result <= 0 || !strcmp(text, "harmless"), "'%s'", text);
        run(IO_FILE_TRUNCATE, "trap/secret", NULL, 0);
        if (i % 50 == 0)
            run(IO_FILE_OPEN, "way/made", NULL, O_WRONLY | O_CREAT);
    }
    atomic_store(&swapper.stop, true);
    pthread_join(thread, NULL);
    struct stat status;
    cr_assert_eq(stat("outside/secret", &status), 0);
    cr_assert_eq(status.st_size, 6);
    cr_assert_neq(access("outside/made", F_OK), 0);
}

Test(share, handles_are_counted_and_numbered, .init = set_up, .fini = tear_down)
{
    uint64_t numbers[5];

    share.handles_max = 4;
    for (int i = 0; i < 5; i++) {
        struct share_job *job = make_job(IO_FILE_OPEN, "file", NULL);

        share_execute(job);
        cr_assert_eq(job->result, 0);
        numbers[i] = share_add(&share, job->opened);
        if (numbers[i])
            job->opened = NULL;
        free_job(job);
    }
    cr_assert(numbers[3] && !numbers[4]);
    cr_assert_null(share_find(&share, 0));
    cr_assert_null(share_find(&share, UINT64_MAX));
    cr_assert_null(share_find(&share, 5));
    cr_assert_eq(share_drop(&share, numbers[1]), 0);
    cr_assert_eq(share_drop(&share, numbers[1]), -EBADF);
    cr_assert_null(share_find(&share, numbers[1]));
    struct share_handle *held = share_find(&share, numbers[2]);
    cr_assert_not_null(held);
    cr_assert_eq(share_drop(&share, numbers[2]), 0);
    cr_assert_geq(fcntl(held->fd, F_GETFD), 0, "closed under a request");
    share_handle_put(held);
}

static unsigned waked;
static void count_wake(void *context)
{
    (void)context;
    waked++;
}

Test(share, jobs_come_back_from_the_threads, .init = set_up, .fini = tear_down)
{
    struct event_loop loop;
    int done = 0;

    cr_assert_eq(events_open(&loop), 0);
    struct share_pool *pool = share_pool_open(&loop, count_wake, NULL);
    cr_assert_not_null(pool);
    for (int i = 0; i < 200; i++)
        share_pool_add(pool, make_job(IO_FILE_STATUS, i % 2 ? "file" : "none", NULL));
    while (done < 200) {
        struct share_job *job;

        cr_assert_gt(events_wait(&loop, 5000), 0);
        while ((job = share_pool_take(pool))) {
            cr_assert(job->result == 0 || job->result == -ENOENT);
            free_job(job);
            done++;
        }
    }
    cr_assert_gt(waked, 0);
    share_pool_end(pool);
    share_pool_close(pool);
    events_close(&loop);
}

static struct share_job *wait_done(struct share_pool *pool)
{
    struct share_job *job = NULL;

    for (int i = 0; i < 3000 && !(job = share_pool_take(pool)); i++)
        usleep(1000);
    return job;
}

/* A file on which another program has a lease: who opens it waits until that is given up. Or -1:
 * there are no leases here. */
static int lease(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    signal(SIGIO, SIG_IGN); /* the request to give it up */
    if (fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK)) {
        fprintf(stderr, "not tried: a lease on a file of /tmp: %s\n", strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

/* Many requests that hang, and one of somebody else: it is answered soon, and so are they once the
 * storage does. */
Test(share, what_hangs_holds_up_nobody, .init = set_up, .fini = tear_down)
{
    struct share_job *hanging[100], *job;
    struct event_loop loop;
    int fd = lease("inside/file");

    if (fd < 0)
        return;
    cr_assert_eq(events_open(&loop), 0);
    struct share_pool *pool = share_pool_open(&loop, NULL, NULL);
    for (unsigned i = 0; i < 100; i++) {
        hanging[i] = make_job(IO_FILE_OPEN, "file", NULL);
        hanging[i]->request.flags = O_RDONLY;
        share_pool_add(pool, hanging[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        struct share_job *other = make_job(IO_FILE_STATUS, "folder/deep", NULL);

        share_pool_add(pool, other);
        cr_assert_eq(wait_done(pool), other);
        cr_assert_eq(other->result, 0);
        free_job(other);
    }
    cr_assert_eq(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
    for (unsigned i = 0; i < 100; i++) {
        job = wait_done(pool);
        cr_assert_not_null(job);
        cr_assert_eq(job->result, 0);
        free_job(job);
    }
    close(fd);
    share_pool_end(pool);
    share_pool_close(pool);
    events_close(&loop);
}

/* A job beside one that hangs, both added at once when a single thread is free. */
Test(share, a_free_thread_is_counted_once, .init = set_up, .fini = tear_down)
{
    struct event_loop loop;
    int fd;

    cr_assert_eq(events_open(&loop), 0);
    struct share_pool *pool = share_pool_open(&loop, NULL, NULL);
    share_pool_add(pool, make_job(IO_FILE_STATUS, "file", NULL));
    free_job(wait_done(pool));
    fd = lease("inside/file");
    if (fd >= 0) {
        struct share_job *hangs = make_job(IO_FILE_OPEN, "file", NULL);
        struct share_job *other = make_job(IO_FILE_STATUS, "folder/deep", NULL);

        share_pool_add(pool, hangs);
        share_pool_add(pool, other);
        cr_assert_eq(wait_done(pool), other);
        free_job(other);
        cr_assert_eq(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
        cr_assert_eq(wait_done(pool), hangs);
        cr_assert_eq(hangs->result, 0);
        free_job(hangs);
        close(fd);
    }
    share_pool_end(pool);
    share_pool_close(pool);
    events_close(&loop);
}

/* A walk that renames disturb every time ends. */
static void *move_to_and_fro(void *argument)
{
    const atomic_bool *over = argument;

    while (!atomic_load(over)) {
        rename("inside/folder", "inside/moved");
        rename("inside/moved", "inside/folder");
    }
    return NULL;
}

Test(share, renames_do_not_hold_up_for_ever, .init = set_up, .fini = tear_down)
{
    atomic_bool over = false;
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, move_to_and_fro, &over), 0);
    for (int i = 0; i < 300; i++) {
        int64_t result = run(IO_FILE_STATUS, "folder/../folder/deep", NULL, 0);

        cr_assert(result == 0 || result == -ENOENT || result == -EAGAIN, "%d", (int)result);
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
}

/* Random requests: nothing crashes, and the outside stays as it was. */
Test(share, random_requests, .init = set_up, .fini = tear_down)
{
    static const char *const pieces[] = {"file",    "folder", "..",  ".",   "up",
                                         "link",    "magic",  "/",   "//",  "absolute",
                                         "outside", "secret", "new", "deep"};
    struct stat status;

    srand(20261122);
    for (int i = 0; i < 4000; i++) {
        char paths[2][200] = {"", ""};

        for (int k = 0; k < 2; k++)
            for (int n = rand() % 5; n > 0; n--) {
                strcat(paths[k], pieces[(size_t)rand() % (sizeof(pieces) / sizeof(pieces[0]))]);
                strcat(paths[k], rand() % 4 ? "/" : "");
            }
        struct share_job *job =
            make_job((enum io_file_operation)(rand() % IO_FILE_OPERATIONS), paths[0], paths[1]);
        enum io_file_operation operation = job->request.operation;
        job->request.flags = (uint32_t)rand() & (uint32_t)rand();
        job->request.mode = (uint32_t)rand();
        job->request.which = (uint32_t)rand();
        job->request.offset = (uint64_t)rand() % 5000;
        bool needs_handle = operation == IO_FILE_READ || operation == IO_FILE_WRITE ||
                            operation == IO_FILE_ENTRIES || operation == IO_FILE_SYNC ||
                            operation == IO_FILE_ALLOCATE || operation == IO_FILE_CLOSE ||
                            operation == IO_FILE_MOUNT;
        if (!needs_handle)
            share_execute(job);
        free_job(job);
    }
    cr_assert_eq(stat("outside/secret", &status), 0);
    cr_assert_eq(status.st_size, 6);
    cr_assert_eq(status.st_nlink, 1);
}

/* --- Locks ------------------------------------------------------------------------------------ */

static struct share_handle *open_handle(struct share *of, const char *path)
{
    struct share_job *job = make_job(IO_FILE_OPEN, path, NULL);

    job->share = of;
    job->request.flags = O_RDWR;
    share_execute(job);
    cr_assert_eq(job->result, 0);
    struct share_handle *handle = job->opened;
    job->opened = NULL;
    free_job(job);
    return handle;
}

static struct share_job *lock_job(struct share *of, struct share_handle *handle, uint32_t flags,
                                  uint32_t type, uint64_t start, uint64_t length)
{
    struct share_job *job = make_job(IO_FILE_LOCK, "", NULL);

    job->share = of;
    job->handle = handle;
    atomic_fetch_add(&handle->references, 1);
    job->request.flags = flags;
    job->request.mode = type;
    job->request.offset = start;
    job->request.value = length;
    return job;
}

static int64_t lock(struct share *of, struct share_handle *handle, uint32_t flags, uint32_t type,
                    uint64_t start, uint64_t length)
{
    struct share_job *job = lock_job(of, handle, flags, type, start, length);

    share_execute(job);
    int64_t result = job->result;
    free_job(job);
    return result;
}

Test(share, locks_of_two_instances, .init = set_up, .fini = tear_down)
{
    struct share other;
    struct mount_config mount = {
        .host = (char *)"inside", .guest = (char *)"/data", .writable = true};
    size_t which;

    cr_assert_eq(share_open(&other, &mount, 1, &which), 0);
    struct share_handle *one = open_handle(&share, "file"), *two = open_handle(&share, "file");
    struct share_handle *away = open_handle(&other, "file");
    /* POSIX locks are the instance's, whatever handle they came through. */
    cr_assert_eq(lock(&share, one, IO_LOCK_PROCESS, F_WRLCK, 0, 10), 0);
    cr_assert_eq(lock(&share, two, IO_LOCK_PROCESS, F_WRLCK, 5, 10), 0);
    cr_assert_eq(lock(&other, away, IO_LOCK_PROCESS, F_RDLCK, 12, 1), -EAGAIN);
    cr_assert_eq(lock(&share, two, IO_LOCK_FILE, F_RDLCK, 12, 1), -EAGAIN);
    cr_assert_eq(lock(&other, away, IO_LOCK_PROCESS, F_RDLCK, 15, 1), 0);
    cr_assert_eq(lock(&share, one, IO_LOCK_PROCESS, F_UNLCK, 0, 0), 0);
    cr_assert_eq(lock(&other, away, IO_LOCK_PROCESS, F_WRLCK, 0, 0), 0);
    /* flock's are apart, and each handle's own. */
    cr_assert_eq(lock(&share, one, IO_LOCK_FLOCK, F_WRLCK, 0, 0), 0);
    cr_assert_eq(lock(&share, two, IO_LOCK_FLOCK, F_RDLCK, 0, 0), -EAGAIN);
    cr_assert_eq(lock(&share, one, IO_LOCK_FLOCK, 3, 0, 0), -EINVAL);
    cr_assert_eq(lock(&share, one, IO_LOCK_OWNER, F_RDLCK, 0, 0), -EINVAL);
    cr_assert_eq(lock(&share, one, IO_LOCK_PROCESS, F_RDLCK, 0, UINT64_MAX), -EINVAL);
    share_close(&other); /* with the instance its locks are gone */
    share_handle_put(away);
    cr_assert_eq(lock(&share, one, IO_LOCK_PROCESS, F_WRLCK, 0, 0), 0);
    share_handle_put(one);
    share_handle_put(two);
}

static void nothing(void *context)
{
    (void)context;
}

Test(share, locks_are_waited_for_and_given_up, .init = set_up, .fini = tear_down)
{
    struct event_loop loop;
    cr_assert_eq(events_open(&loop), 0);
    struct share_pool *pool = share_pool_open(&loop, nothing, NULL);
    struct share_handle *one = open_handle(&share, "file"), *two = open_handle(&share, "file");

    for (uint32_t kind = IO_LOCK_FILE; kind <= IO_LOCK_FLOCK; kind++) {
        cr_assert_eq(lock(&share, one, kind, F_WRLCK, 0, 0), 0);
        struct share_job *job = lock_job(&share, two, kind | IO_LOCK_WAIT, F_RDLCK, 0, 0);
        share_pool_add(pool, job);
        usleep(20000);
        cr_assert_null(share_pool_take(pool), "it does not wait");
        share_pool_cancel(pool, job);
        cr_assert_eq(wait_done(pool), job);
        cr_assert_eq(job->result, -EINTR);
        free_job(job);

        job = lock_job(&share, two, kind | IO_LOCK_WAIT, F_RDLCK, 0, 0);
        share_pool_add(pool, job);
        usleep(5000);
        cr_assert_eq(lock(&share, one, kind, F_UNLCK, 0, 0), 0);
        cr_assert_eq(wait_done(pool), job);
        cr_assert_eq(job->result, 0);
        free_job(job);
        lock(&share, two, kind, F_UNLCK, 0, 0);
    }
    /* More that wait than there are threads: others are served all the same. */
    struct share_job *jobs[40];
    cr_assert_eq(lock(&share, one, IO_LOCK_FILE, F_WRLCK, 0, 0), 0);
    for (unsigned i = 0; i < 40; i++) {
        jobs[i] = lock_job(&share, two, IO_LOCK_PROCESS | IO_LOCK_WAIT, F_WRLCK, i, 1);
        share_pool_add(pool, jobs[i]);
    }
    struct share_job *unlock = lock_job(&share, one, IO_LOCK_FILE, F_UNLCK, 0, 20);
    share_pool_add(pool, unlock);
    for (unsigned i = 0; i < 21; i++) {
        struct share_job *job = wait_done(pool);
        cr_assert_not_null(job);
        cr_assert_eq(job->result, 0);
        free_job(job);
    }
    share_pool_end(pool); /* the other twenty give up */
    for (unsigned i = 0; i < 20; i++) {
        struct share_job *job = share_pool_take(pool);
        cr_assert_not_null(job);
        cr_assert_eq(job->result, -EINTR);
        free_job(job);
    }
    share_pool_close(pool);
    events_close(&loop);
    share_handle_put(one);
    share_handle_put(two);
}

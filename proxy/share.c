/* Requests on the host's files, carried out. Everything an instance can name lies below one of its
 * mounts: folders on the way are resolved there by openat2, and the last step is one name without a
 * slash, in a folder that is already open, with a call that does not follow links. */
#include "proxy/share.h"

#include "proxy/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* O_* flags that an instance may ask for. */
#define SHARE_FLAGS (O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_DIRECTORY | O_SYNC | O_DSYNC)
/* No set-user-id bits: what an instance makes is not to run as the user of the proxy. */
#define SHARE_MODE 01777
#define RENAMES_LIMIT_NS                                                                           \
    UINT64_C(1000000000) /* for a walk that renames disturb again and again                        \
                          */

/* --- Mounts and handles ------------------------------------------------------------------------
 */

int share_open(struct share *share, const struct mount_config *mounts, size_t count, size_t *which)
{
    *share = (struct share){0};
    pthread_mutex_init(&share->locks_lock, NULL);
    if (!count)
        return 0;
    share->mounts = calloc(count, sizeof(*share->mounts));
    if (!share->mounts)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct share_mount *mount = &share->mounts[i];

        *which = i;
        mount->fd = open(mounts[i].host, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (mount->fd < 0)
            return -errno;
        share->mount_count++;
        mount->writable = mounts[i].writable;
        mount->guest = strdup(mounts[i].guest);
        if (!mount->guest)
            return -ENOMEM;
    }
    return 0;
}

void share_handle_put(struct share_handle *handle)
{
    if (!handle || atomic_fetch_sub(&handle->references, 1) != 1)
        return;
    close(handle->fd);
    pthread_mutex_destroy(&handle->position);
    free(handle);
}

void share_close(struct share *share)
{
    share_lock_close(share);
    for (size_t i = 0; i < share->handle_count; i++)
        share_handle_put(share->handles[i]);
    for (size_t i = 0; i < share->mount_count; i++) {
        close(share->mounts[i].fd);
        free(share->mounts[i].guest);
    }
    free(share->handles);
    free(share->mounts);
    *share = (struct share){0};
}

struct share_handle *share_find(const struct share *share, uint64_t number)
{
    struct share_handle *handle;

    if (!number || number > share->handle_count || !share->handles[number - 1])
        return NULL;
    handle = share->handles[number - 1];
    atomic_fetch_add(&handle->references, 1);
    return handle;
}

uint64_t share_add(struct share *share, struct share_handle *handle)
{
    size_t i = 0;

    if (share->handles_open >= share->handles_max)
        return 0;
    if (share->handles_open < share->handle_count)
        while (share->handles[i])
            i++;
    else
        i = share->handle_count;
    if (i == share->handle_count) {
        size_t count = i ? i * 2 : 16;
        struct share_handle **handles = realloc(share->handles, count * sizeof(*handles));

        if (!handles)
            return 0;
        memset(handles + i, 0, (count - i) * sizeof(*handles));
        share->handles = handles;
        share->handle_count = count;
    }
    share->handles[i] = handle;
    share->handles_open++;
    return i + 1;
}

int share_drop(struct share *share, uint64_t number)
{
    if (!number || number > share->handle_count || !share->handles[number - 1])
        return -EBADF;
    share_handle_put(share->handles[number - 1]);
    share->handles[number - 1] = NULL;
    share->handles_open--;
    return 0;
}

/* --- Paths ------------------------------------------------------------------------------------ */

static int open_below(int folder, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .mode = mode,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve};
    uint64_t limit = 0;
    int fd;

    for (;;) {
        fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
        /* EAGAIN: something was renamed during the walk. */
        if (limit == 0)
            limit = clock_monotonic_ns() + RENAMES_LIMIT_NS;
        else if (clock_monotonic_ns() > limit)
            break;
    }
    return fd < 0 ? -errno : fd;
}

/* The folder that holds the path's last name, and that name. The mount's own folder has none: its
 * name is "". Returns an fd to be closed, or a negative errno value. */
static int open_parent(const struct share_mount *mount, char *path, const char **name)
{
    char *slash = strrchr(path, '/');
    int fd;

    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    *name = slash ? slash + 1 : path;
    if (!strcmp(*name, ".") || !strcmp(*name, "..") || (slash && !**name))
        return -EINVAL; /* the instance's kernel does not send these */
    if (!slash)
        return open_below(mount->fd, ".", O_PATH | O_DIRECTORY, 0, 0);
    *slash = '\0';
    fd = open_below(mount->fd, path, O_PATH | O_DIRECTORY, 0, 0);
    *slash = '/';
    return fd;
}

static void fill_status(struct io_file_status *out, const struct stat *status)
{
    *out = (struct io_file_status){
        .inode = status->st_ino,
        .device = status->st_dev,
        .special = status->st_rdev,
        .size = (uint64_t)status->st_size,
        .blocks = (uint64_t)status->st_blocks,
        .links = status->st_nlink,
        .mode = status->st_mode,
        .user = status->st_uid,
        .group = status->st_gid,
        .block_size = (uint32_t)status->st_blksize,
        .seconds = {status->st_atim.tv_sec, status->st_mtim.tv_sec, status->st_ctim.tv_sec},
        .nanoseconds = {(uint32_t)status->st_atim.tv_nsec, (uint32_t)status->st_mtim.tv_nsec,
                        (uint32_t)status->st_ctim.tv_nsec}};
}

static int64_t answer_with(struct share_job *job, const void *bytes, size_t length)
{
    memcpy(job->answer, bytes, length);
    job->answer_length = length;
    return 0;
}

static int64_t result_of(int64_t result)
{
    return result < 0 ? -errno : result;
}

/* --- Operations on paths: (parent, name) --------------------------------------------------------
 */

static int64_t do_status(struct share_job *job, int parent, const char *name)
{
    struct io_file_status out;
    struct stat status;

    if (job->handle ? fstat(job->handle->fd, &status)
                    : fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -errno;
    fill_status(&out, &status);
    return answer_with(job, &out, sizeof(out));
}

/* Opens what `place` (O_PATH) stands for. Waits while another program's lease is broken, as any
 * open does: nothing else is there to wait for in a file that is regular. */
static int open_again(int place, int flags)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
    do
        fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* Regular files and folders only: others could wait for ever, or do things when opened. */
static int open_file(const struct share_mount *mount, int parent, const char *name, uint32_t flags,
                     uint32_t mode)
{
    struct stat status;
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    bool makes = flags & O_CREAT;
    int fd, opened;

    if (writes && !mount->writable)
        return -EROFS;
    /* What is there already is opened in a second step, once it is known to be harmless. */
    fd = makes ? open_below(parent, *name ? name : ".",
                            (flags & SHARE_FLAGS) | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
                            mode & SHARE_MODE, RESOLVE_NO_SYMLINKS)
               : open_below(parent, *name ? name : ".", O_PATH | O_NOFOLLOW, 0, 0);
    if (fd < 0)
        return fd;
    if (fstat(fd, &status))
        opened = -errno;
    else if (S_ISLNK(status.st_mode))
        opened = -ELOOP;
    else if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        opened = -ENXIO;
    else
        opened = makes ? fd : open_again(fd, (int)(flags & SHARE_FLAGS));
    if (opened != fd)
        close(fd);
    return opened;
}

static int64_t do_open(struct share_job *job, const struct share_mount *mount, int parent,
                       const char *name)
{
    const struct io_file *request = &job->request;
    struct io_file_opened out = {0};
    struct share_handle *handle;
    struct stat status;
    int fd = open_file(mount, parent, name, request->flags, request->mode);

    if (fd < 0)
        return fd;
    /* The proxy's own umask is not the instance's. */
    if ((request->flags & O_CREAT) && (request->flags & O_EXCL))
        (void)!fchmod(fd, request->mode & SHARE_MODE);
    handle = calloc(1, sizeof(*handle));
    if (!handle || fstat(fd, &status)) {
        int error = handle ? -errno : -ENOMEM;

        free(handle);
        close(fd);
        return error;
    }
    atomic_init(&handle->references, 1);
    handle->fd = fd;
    handle->writable = (request->flags & O_ACCMODE) != O_RDONLY;
    pthread_mutex_init(&handle->position, NULL);
    job->opened = handle;
    fill_status(&out.status, &status);
    return answer_with(job, &out, sizeof(out));
}

static int64_t do_read_link(struct share_job *job, int parent, const char *name)
{
    ssize_t length = readlinkat(parent, name, (char *)job->answer, sizeof(job->answer));

    if (length < 0)
        return -errno;
    if ((size_t)length == sizeof(job->answer))
        return -ENAMETOOLONG;
    job->answer_length = (size_t)length;
    return length;
}

static int64_t do_make_folder(const struct share_job *job, int parent, const char *name)
{
    if (mkdirat(parent, name, job->request.mode & SHARE_MODE))
        return -errno;
    (void)!fchmodat(parent, name, job->request.mode & SHARE_MODE, AT_SYMLINK_NOFOLLOW);
    return 0;
}

static int64_t do_change(const struct share_job *job, int parent, const char *name)
{
    const struct io_file *request = &job->request;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};

    if (!*name)
        name = ".";
    if ((request->which & IO_CHANGE_MODE) &&
        fchmodat(parent, name, request->mode & SHARE_MODE, AT_SYMLINK_NOFOLLOW))
        return -errno;
    for (int i = 0; i < 2; i++)
        if (request->which & (i ? IO_CHANGE_MODIFIED : IO_CHANGE_ACCESSED)) {
            if (request->nanoseconds[i] >= 1000000000)
                return -EINVAL;
            times[i] = (struct timespec){request->seconds[i], request->nanoseconds[i]};
        }
    if (!(request->which & (IO_CHANGE_ACCESSED | IO_CHANGE_MODIFIED)))
        return 0;
    return result_of(utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW));
}

static int64_t do_truncate_path(const struct share_job *job, const struct share_mount *mount,
                                int parent, const char *name)
{
    int64_t result;
    int fd = open_file(mount, parent, name, O_WRONLY, 0);

    if (fd < 0)
        return fd;
    result = result_of(ftruncate(fd, (off_t)job->request.offset));
    close(fd);
    return result;
}

static int64_t do_statistics(struct share_job *job, const struct share_mount *mount)
{
    struct statfs statistics;
    struct io_file_statistics out;

    if (fstatfs(mount->fd, &statistics))
        return -errno;
    out = (struct io_file_statistics){
        .block_size = (uint64_t)statistics.f_bsize,
        .blocks = statistics.f_blocks,
        .blocks_free = statistics.f_bfree,
        .blocks_available = statistics.f_bavail,
        .files = statistics.f_files,
        .files_free = statistics.f_ffree,
        .name_max = (uint64_t)statistics.f_namelen,
    };
    return answer_with(job, &out, sizeof(out));
}

/* Two paths: rename and link. */
static int64_t do_two(struct share_job *job, const struct share_mount *mount, int parent,
                      const char *name)
{
    const char *second_name;
    int second = open_parent(mount, job->second, &second_name);
    int64_t result;

    if (second < 0)
        return second;
    if (!*second_name)
        result = -EBUSY;
    else if (job->request.operation == IO_FILE_LINK)
        result = result_of(linkat(parent, name, second, second_name, 0));
    else
        result = result_of(renameat2(parent, name, second, second_name,
                                     job->request.flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)));
    close(second);
    return result;
}

static int64_t execute_path(struct share_job *job)
{
    const struct share_mount *mount = &job->share->mounts[job->request.mount];
    enum io_file_operation operation = job->request.operation;
    const char *name;
    int64_t result;
    int parent;

    switch (operation) {
    case IO_FILE_STATUS:
    case IO_FILE_OPEN:
    case IO_FILE_READ_LINK:
        break;
    default:
        if (!mount->writable)
            return -EROFS;
    }
    parent = open_parent(mount, job->path, &name);
    if (parent < 0)
        return parent;
    if (!*name && operation != IO_FILE_STATUS && operation != IO_FILE_OPEN &&
        operation != IO_FILE_CHANGE) {
        close(parent);
        return -EBUSY; /* the mount's own folder */
    }
    switch (operation) {
    case IO_FILE_STATUS:
        result = do_status(job, parent, name);
        break;
    case IO_FILE_OPEN:
        result = do_open(job, mount, parent, name);
        break;
    case IO_FILE_READ_LINK:
        result = do_read_link(job, parent, name);
        break;
    case IO_FILE_MAKE_FOLDER:
        result = do_make_folder(job, parent, name);
        break;
    case IO_FILE_MAKE_LINK:
        result = result_of(symlinkat(job->second, parent, name));
        break;
    case IO_FILE_REMOVE:
        result = result_of(unlinkat(parent, name, job->request.flags & 1 ? AT_REMOVEDIR : 0));
        break;
    case IO_FILE_RENAME:
    case IO_FILE_LINK:
        result = do_two(job, mount, parent, name);
        break;
    case IO_FILE_TRUNCATE:
        result = do_truncate_path(job, mount, parent, name);
        break;
    case IO_FILE_CHANGE:
        result = do_change(job, parent, name);
        break;
    default:
        result = -EINVAL;
    }
    close(parent);
    return result;
}

/* --- Operations on open files ------------------------------------------------------------------
 */

static int64_t do_read(struct share_job *job)
{
    const struct io_file *request = &job->request;
    uint8_t *to = job->extent_bytes ? job->extent_bytes : job->answer;
    size_t size = request->size;
    ssize_t got;

    if (!job->extent_bytes && size > sizeof(job->answer))
        size = sizeof(job->answer);
    do {
        got = pread(job->handle->fd, to, size, (off_t)request->offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    if (!job->extent_bytes)
        job->answer_length = (size_t)got;
    return got;
}

static int64_t do_write(struct share_job *job)
{
    const struct io_file *request = &job->request;
    const struct iovec bytes = {(void *)job->bytes, request->length};
    struct io_file_written out = {.offset = request->offset};
    bool append = request->flags & 1;
    ssize_t put;

    /* The host's kernel finds the end and writes there in one step: other writers may come. */
    do {
        put = pwritev2(job->handle->fd, &bytes, 1, (off_t)out.offset, append ? RWF_APPEND : 0);
    } while (put < 0 && errno == EINTR);
    if (put < 0)
        return -errno;
    if (append) {
        struct stat status;

        /* Where the program's position is: behind its own bytes, if nobody came meanwhile. */
        if (!fstat(job->handle->fd, &status) && status.st_size >= put)
            out.offset = (uint64_t)(status.st_size - put);
    }
    answer_with(job, &out, sizeof(out));
    return put;
}

static int64_t do_entries(struct share_job *job)
{
    const struct io_file *request = &job->request;
    uint8_t *to = job->extent_bytes ? job->extent_bytes : job->answer;
    size_t size = job->extent_bytes ? request->size : sizeof(job->answer);
    int64_t got;

    pthread_mutex_lock(&job->handle->position);
    if (lseek(job->handle->fd, (off_t)request->offset, SEEK_SET) < 0)
        got = -errno;
    else
        got = result_of(syscall(SYS_getdents64, job->handle->fd, to, size));
    pthread_mutex_unlock(&job->handle->position);
    if (!job->extent_bytes && got > 0)
        job->answer_length = (size_t)got;
    return got;
}

static int64_t execute_handle(struct share_job *job)
{
    const struct io_file *request = &job->request;
    int fd = job->handle->fd;

    switch ((enum io_file_operation)request->operation) {
    case IO_FILE_STATUS:
        return do_status(job, -1, "");
    case IO_FILE_READ:
        return do_read(job);
    case IO_FILE_ENTRIES:
        return do_entries(job);
    case IO_FILE_LOCK:
        return share_lock_try(job);
    case IO_FILE_SYNC:
        return result_of(request->flags & 1 ? fdatasync(fd) : fsync(fd));
    default:
        break;
    }
    if (!job->handle->writable)
        return -EBADF;
    switch ((enum io_file_operation)request->operation) {
    case IO_FILE_WRITE:
        return do_write(job);
    case IO_FILE_TRUNCATE:
        return result_of(ftruncate(fd, (off_t)request->offset));
    case IO_FILE_ALLOCATE:
        return result_of(
            fallocate(fd, (int)request->flags, (off_t)request->offset, (off_t)request->value));
    default:
        return -EINVAL;
    }
}

void share_execute(struct share_job *job)
{
    if (job->handle)
        job->result = execute_handle(job);
    else if (job->request.operation == IO_FILE_STATISTICS)
        job->result = do_statistics(job, &job->share->mounts[job->request.mount]);
    else
        job->result = execute_path(job);
}

/* The calls that tell and set what is known about a file: the stat family, access, chmod, chown,
 * times, statfs, extended attributes (there are none). */
#include "instance/syscall/calls.h"
#include "instance/syscall/paths.h"

#include "instance/mm/user.h"
#include "instance/string.h"

#include <asm/stat.h>
#include <asm/statfs.h>
#include <errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/time_types.h>

#define ACCESS_EXECUTE 1
#define ACCESS_ALL 7
#define ACCESS_WRITE 2
#define TIME_NOW ((INT64_C(1) << 30) - 1)  /* UTIME_NOW */
#define TIME_OMIT ((INT64_C(1) << 30) - 2) /* UTIME_OMIT */
#define NS_PER_SECOND 1000000000

/* The status of a node or an open file; puts both. */
static int status_of(struct vfs_node *node, struct file *file, struct file_status *status)
{
    int error;
    if (node != NULL) {
        error = vfs_status(node, status);
        vfs_put(node);
        return error;
    }
    memset(status, 0, sizeof(*status));
    error = file->operations->status != NULL ? file->operations->status(file, status) : -EBADF;
    file_put(file);
    return error;
}

static int64_t write_stat(uint64_t to, const struct file_status *status)
{
    struct stat out;
    memset(&out, 0, sizeof(out));
    out.st_dev = status->device;
    out.st_ino = status->inode;
    out.st_nlink = status->links;
    out.st_mode = status->mode;
    out.st_uid = status->user;
    out.st_gid = status->group;
    out.st_rdev = status->special;
    out.st_size = (int64_t)status->size;
    out.st_blksize = status->block_size;
    out.st_blocks = (int64_t)status->blocks;
    out.st_atime = (uint64_t)status->accessed.seconds;
    out.st_atime_nsec = status->accessed.nanoseconds;
    out.st_mtime = (uint64_t)status->modified.seconds;
    out.st_mtime_nsec = status->modified.nanoseconds;
    out.st_ctime = (uint64_t)status->changed.seconds;
    out.st_ctime_nsec = status->changed.nanoseconds;
    return user_write(to, &out, sizeof(out));
}

static int64_t stat_at(int descriptor, uint64_t path, uint64_t to, int flags)
{
    struct file_status status;
    struct vfs_node *node;
    struct file *file;
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
        return -EINVAL;
    int error = path_node(descriptor, path, flags, !(flags & AT_SYMLINK_NOFOLLOW), &node, &file);
    if (error == 0)
        error = status_of(node, file, &status);
    return error != 0 ? error : write_stat(to, &status);
}

int64_t sys_fstat(struct trap_frame *frame)
{
    struct file_status status;
    struct file *file = file_get((int)syscall_arg0(frame));
    if (file == NULL)
        return -EBADF;
    int error = status_of(NULL, file, &status);
    return error != 0 ? error : write_stat(syscall_arg1(frame), &status);
}

int64_t sys_stat(struct trap_frame *frame)
{
    return stat_at(AT_FDCWD, syscall_arg0(frame), syscall_arg1(frame), 0);
}

int64_t sys_lstat(struct trap_frame *frame)
{
    return stat_at(AT_FDCWD, syscall_arg0(frame), syscall_arg1(frame), AT_SYMLINK_NOFOLLOW);
}

int64_t sys_newfstatat(struct trap_frame *frame)
{
    return stat_at((int)syscall_arg0(frame), syscall_arg1(frame), syscall_arg2(frame),
                   (int)syscall_arg3(frame));
}

static struct statx_timestamp statx_time(struct file_time time)
{
    return (struct statx_timestamp){.tv_sec = time.seconds, .tv_nsec = time.nanoseconds};
}

int64_t sys_statx(struct trap_frame *frame)
{
    struct file_status status;
    struct vfs_node *node;
    struct file *file;
    struct statx out;
    int flags = (int)syscall_arg2(frame);
    if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE)) ||
        (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE ||
        ((uint32_t)syscall_arg3(frame) & STATX__RESERVED))
        return -EINVAL;
    int error = path_node((int)syscall_arg0(frame), syscall_arg1(frame), flags,
                          !(flags & AT_SYMLINK_NOFOLLOW), &node, &file);
    if (error == 0)
        error = status_of(node, file, &status);
    if (error != 0)
        return error;
    memset(&out, 0, sizeof(out));
    out.stx_mask = STATX_BASIC_STATS;
    out.stx_blksize = status.block_size;
    out.stx_nlink = (uint32_t)status.links;
    out.stx_uid = status.user;
    out.stx_gid = status.group;
    out.stx_mode = (uint16_t)status.mode;
    out.stx_ino = status.inode;
    out.stx_size = status.size;
    out.stx_blocks = status.blocks;
    out.stx_atime = statx_time(status.accessed);
    out.stx_mtime = statx_time(status.modified);
    out.stx_ctime = statx_time(status.changed);
    out.stx_dev_major = (uint32_t)(status.device >> 8);
    out.stx_dev_minor = (uint32_t)(status.device & 0xff);
    out.stx_rdev_major = (uint32_t)(status.special >> 8);
    out.stx_rdev_minor = (uint32_t)(status.special & 0xff);
    return user_write(syscall_arg4(frame), &out, sizeof(out));
}

/* --- access ----------------------------------------------------------------------------------- */

/* The program is user 0: only a file that nobody may execute, and a read-only mount, say no. */
static int64_t access_at(int descriptor, uint64_t path, uint32_t mode, int flags)
{
    struct file_status status;
    struct vfs_node *node;
    struct file *file;
    if ((mode & ~(uint32_t)ACCESS_ALL) ||
        (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EACCESS)))
        return -EINVAL;
    int error = path_node(descriptor, path, flags, !(flags & AT_SYMLINK_NOFOLLOW), &node, &file);
    if (error != 0)
        return error;
    bool read_only = node != NULL && node->mount->read_only && node->type != FILE_TYPE_CHARACTER;
    error = status_of(node, file, &status);
    if (error != 0)
        return error;
    if ((mode & ACCESS_EXECUTE) && (status.mode & FILE_TYPE_MASK) != FILE_TYPE_DIRECTORY &&
        !(status.mode & 0111))
        return -EACCES;
    return (mode & ACCESS_WRITE) && read_only ? -EROFS : 0;
}

int64_t sys_access(struct trap_frame *frame)
{
    return access_at(AT_FDCWD, syscall_arg0(frame), (uint32_t)syscall_arg1(frame), 0);
}

int64_t sys_faccessat(struct trap_frame *frame)
{
    return access_at((int)syscall_arg0(frame), syscall_arg1(frame), (uint32_t)syscall_arg2(frame),
                     0);
}

int64_t sys_faccessat2(struct trap_frame *frame)
{
    return access_at((int)syscall_arg0(frame), syscall_arg1(frame), (uint32_t)syscall_arg2(frame),
                     (int)syscall_arg3(frame));
}

/* --- Changes ---------------------------------------------------------------------------------- */

static int change_file(struct file *file, const struct vfs_change *change)
{
    if (file == NULL)
        return -EBADF;
    /* Pipes and the console have no owner to tell; a change of them is as good as done. */
    int error = file->node != NULL ? vfs_change(file->node, change) : 0;
    file_put(file);
    return error;
}

static int64_t change_at(int descriptor, uint64_t path, int flags, const struct vfs_change *change)
{
    struct vfs_node *node;
    struct file *file;
    int error = path_node(descriptor, path, flags, !(flags & AT_SYMLINK_NOFOLLOW), &node, &file);
    if (error != 0)
        return error;
    if (file != NULL)
        return change_file(file, change);
    error = vfs_change(node, change);
    vfs_put(node);
    return error;
}

static struct vfs_change mode_change(uint64_t mode)
{
    return (struct vfs_change){.which = VFS_MODE, .mode = (uint32_t)mode & 07777};
}

int64_t sys_chmod(struct trap_frame *frame)
{
    struct vfs_change change = mode_change(syscall_arg1(frame));
    return change_at(AT_FDCWD, syscall_arg0(frame), 0, &change);
}

int64_t sys_fchmod(struct trap_frame *frame)
{
    struct vfs_change change = mode_change(syscall_arg1(frame));
    return change_file(file_get((int)syscall_arg0(frame)), &change);
}

int64_t sys_fchmodat(struct trap_frame *frame)
{
    struct vfs_change change = mode_change(syscall_arg2(frame));
    return change_at((int)syscall_arg0(frame), syscall_arg1(frame), 0, &change);
}

static struct vfs_change owner_change(uint64_t user, uint64_t group)
{
    struct vfs_change change = {.user = (uint32_t)user, .group = (uint32_t)group};
    if (change.user != UINT32_MAX)
        change.which |= VFS_USER;
    if (change.group != UINT32_MAX)
        change.which |= VFS_GROUP;
    return change;
}

int64_t sys_chown(struct trap_frame *frame)
{
    struct vfs_change change = owner_change(syscall_arg1(frame), syscall_arg2(frame));
    return change_at(AT_FDCWD, syscall_arg0(frame), 0, &change);
}

int64_t sys_lchown(struct trap_frame *frame)
{
    struct vfs_change change = owner_change(syscall_arg1(frame), syscall_arg2(frame));
    return change_at(AT_FDCWD, syscall_arg0(frame), AT_SYMLINK_NOFOLLOW, &change);
}

int64_t sys_fchown(struct trap_frame *frame)
{
    struct vfs_change change = owner_change(syscall_arg1(frame), syscall_arg2(frame));
    return change_file(file_get((int)syscall_arg0(frame)), &change);
}

int64_t sys_fchownat(struct trap_frame *frame)
{
    struct vfs_change change = owner_change(syscall_arg2(frame), syscall_arg3(frame));
    int flags = (int)syscall_arg4(frame);
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    return change_at((int)syscall_arg0(frame), syscall_arg1(frame), flags, &change);
}

/* One of the two times: `nanoseconds` may be TIME_NOW or TIME_OMIT. 0 or -EINVAL. */
static int set_time(struct vfs_change *change, unsigned which, struct file_time *to,
                    int64_t seconds, int64_t nanoseconds)
{
    if (nanoseconds == TIME_OMIT)
        return 0;
    if (nanoseconds == TIME_NOW)
        *to = vfs_now();
    else if (nanoseconds < 0 || nanoseconds >= NS_PER_SECOND)
        return -EINVAL;
    else
        *to = (struct file_time){seconds, (uint32_t)nanoseconds};
    change->which |= which;
    return 0;
}

static int64_t times_at(int descriptor, uint64_t path, const int64_t times[4], int flags)
{
    struct vfs_change change = {0};
    int error = set_time(&change, VFS_ACCESSED, &change.accessed, times[0], times[1]);
    if (error == 0)
        error = set_time(&change, VFS_MODIFIED, &change.modified, times[2], times[3]);
    if (error != 0)
        return error;
    if (path == 0 && descriptor != AT_FDCWD)
        return change_file(file_get(descriptor), &change);
    return change_at(descriptor, path, flags, &change);
}

static const int64_t times_now[4] = {0, TIME_NOW, 0, TIME_NOW};

int64_t sys_utimensat(struct trap_frame *frame)
{
    int64_t times[4];
    int flags = (int)syscall_arg3(frame);
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (syscall_arg2(frame) != 0 && user_read(times, syscall_arg2(frame), sizeof(times)) != 0)
        return -EFAULT;
    return times_at((int)syscall_arg0(frame), syscall_arg1(frame),
                    syscall_arg2(frame) != 0 ? times : times_now, flags);
}

/* struct timeval[2] */
static int64_t times_micro(int descriptor, uint64_t path, uint64_t at)
{
    int64_t times[4];
    if (at == 0)
        return times_at(descriptor, path, times_now, 0);
    if (user_read(times, at, sizeof(times)) != 0)
        return -EFAULT;
    for (int i = 1; i < 4; i += 2) {
        if (times[i] < 0 || times[i] >= NS_PER_SECOND / 1000)
            return -EINVAL;
        times[i] *= 1000;
    }
    return times_at(descriptor, path, times, 0);
}

int64_t sys_utimes(struct trap_frame *frame)
{
    return times_micro(AT_FDCWD, syscall_arg0(frame), syscall_arg1(frame));
}

int64_t sys_futimesat(struct trap_frame *frame)
{
    return times_micro((int)syscall_arg0(frame), syscall_arg1(frame), syscall_arg2(frame));
}

int64_t sys_utime(struct trap_frame *frame)
{
    int64_t seconds[2];
    if (syscall_arg1(frame) == 0)
        return times_at(AT_FDCWD, syscall_arg0(frame), times_now, 0);
    if (user_read(seconds, syscall_arg1(frame), sizeof(seconds)) != 0)
        return -EFAULT;
    const int64_t times[4] = {seconds[0], 0, seconds[1], 0};
    return times_at(AT_FDCWD, syscall_arg0(frame), times, 0);
}

/* --- statfs ----------------------------------------------------------------------------------- */

static int64_t statistics_of(struct vfs_node *node, struct file *file, uint64_t to)
{
    struct vfs_statistics statistics = {.block_size = 4096, .name_max = VFS_NAME_MAX};
    struct statfs out;
    int error = 0;
    memset(&out, 0, sizeof(out));
    if (node == NULL && file->node != NULL)
        node = vfs_hold(file->node);
    if (node != NULL) {
        if (node->operations->statistics != NULL)
            error = node->operations->statistics(node, &statistics);
        out.f_type = (int64_t)node->mount->magic;
        out.f_fsid.val[0] = (int)node->mount->device;
        out.f_flags = 0x20 | (node->mount->read_only ? 1 : 0); /* ST_VALID, ST_RDONLY */
        vfs_put(node);
    } else {
        out.f_type = 0x50495045; /* PIPEFS_MAGIC */
    }
    if (file != NULL)
        file_put(file);
    if (error != 0)
        return error;
    out.f_bsize = out.f_frsize = (int64_t)statistics.block_size;
    out.f_blocks = (int64_t)statistics.blocks;
    out.f_bfree = (int64_t)statistics.blocks_free;
    out.f_bavail = (int64_t)statistics.blocks_available;
    out.f_files = (int64_t)statistics.files;
    out.f_ffree = (int64_t)statistics.files_free;
    out.f_namelen = (int64_t)statistics.name_max;
    return user_write(to, &out, sizeof(out));
}

int64_t sys_statfs(struct trap_frame *frame)
{
    struct vfs_node *node;
    struct file *file;
    int error = path_node(AT_FDCWD, syscall_arg0(frame), 0, true, &node, &file);
    return error != 0 ? error : statistics_of(node, file, syscall_arg1(frame));
}

int64_t sys_fstatfs(struct trap_frame *frame)
{
    struct file *file = file_get((int)syscall_arg0(frame));
    return file == NULL ? -EBADF : statistics_of(NULL, file, syscall_arg1(frame));
}

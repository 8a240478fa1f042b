/* Random calls on files in memory and on a folder of Linux side by side: every result, every byte
 * and every size must agree; at the end no frame is missing. */
#include "instance/fs/tmpfs_pages.h"
#include "instance/fs/vfs.h"
#include "tests/unit/fs/kernel.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], previous[4096];

static void set_up(void)
{
    kernel_set_up();
    cr_assert_not_null(getcwd(previous, sizeof(previous)));
    snprintf(folder, sizeof(folder), "/tmp/atoll-fs-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    umask(022);
}

static void tear_down(void)
{
    char command[128];

    (void)!chdir(previous);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(fs, .init = set_up, .fini = tear_down);

/* --- The calls, as the handlers of system calls make them ----------------------------------------
 */

static int our_parent(const char *path, struct vfs_place *place)
{
    int error = vfs_walk(NULL, path, VFS_PARENT, place);

    if (error)
        return error;
    if (place->last == VFS_LAST_NAME)
        return 0;
    vfs_place_put(place);
    return -EBUSY;
}

static int our_create(const char *path, uint32_t mode, const char *target)
{
    struct vfs_creation creation = {.mode = mode, .target = target};
    struct vfs_node *node;
    struct vfs_place place;
    int error = our_parent(path, &place);

    if (error)
        return error == -EBUSY ? -EEXIST : error;
    error = place.parent->operations->create(place.parent, place.name, &creation, &node);
    if (!error)
        vfs_put(node);
    vfs_place_put(&place);
    return error;
}

static int our_remove(const char *path, bool directory)
{
    struct vfs_place place;
    int error = our_parent(path, &place);

    if (error)
        return error;
    error = place.parent->operations->remove(place.parent, place.name, directory);
    vfs_place_put(&place);
    return error;
}

static int our_two(const char *path, const char *second, bool link)
{
    struct vfs_place from, to;
    int error = link ? vfs_walk(NULL, path, 0, &from) : our_parent(path, &from);

    if (error)
        return error;
    error = our_parent(second, &to);
    if (!error) {
        struct vfs_node *there;
        if (link && to.parent->operations->lookup(to.parent, to.name, &there) == 0) {
            vfs_put(there);
            error = -EEXIST;
        } else if (link)
            error = from.node->type == FILE_TYPE_DIRECTORY
                        ? -EPERM
                        : from.node->operations->link(from.node, to.parent, to.name);
        else
            error = from.parent->operations->rename(from.parent, from.name, to.parent, to.name, 0);
        vfs_place_put(&to);
    }
    vfs_place_put(&from);
    return error;
}

static int our_status(const char *path, struct file_status *status)
{
    struct vfs_place place;
    int error = vfs_walk(NULL, path, 0, &place);

    if (!error) {
        error = vfs_status(place.node, status);
        vfs_place_put(&place);
    }
    return error;
}

static int of_linux(int result)
{
    return result < 0 ? -errno : 0;
}

/* --- Random names -------------------------------------------------------------------------------
 */

static const char *const names[] = {"a", "b", "c", "d", "..", "."};

static void random_path(char *path)
{
    *path = '\0';
    for (int n = 1 + rand() % 4; n > 0; n--) {
        strcat(path, names[(size_t)rand() % (n == 1 ? 4 : 6)]);
        if (n > 1)
            strcat(path, "/");
    }
}

Test(fs, names_as_on_linux)
{
    char path[64], second[64];

    srand(1);
    mkdir("base", 0755);
    cr_assert_eq(our_create("base", FILE_TYPE_DIRECTORY | 0755, NULL), 0);
    /* ".." must not lead out of what both sides have. */
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(chdir("base"), 0);
        mkdir("base", 0755);
        struct vfs_place place;
        cr_assert_eq(vfs_walk(NULL, "base", VFS_FOLLOW, &place), 0);
        cr_assert_eq(vfs_set_working_directory(place.node), 0);
        vfs_place_put(&place);
        cr_assert_eq(our_create("base", FILE_TYPE_DIRECTORY | 0755, NULL), 0);
    }
    for (int i = 0; i < 30000; i++) {
        int ours, linux_result;
        const char *what;

        random_path(path);
        random_path(second);
        switch (rand() % 7) {
        case 0:
            what = "mkdir";
            ours = our_create(path, FILE_TYPE_DIRECTORY | 0755, NULL);
            linux_result = of_linux(mkdir(path, 0755));
            break;
        case 1:
            what = "mknod";
            ours = our_create(path, FILE_TYPE_REGULAR | 0644, NULL);
            linux_result = of_linux(mknod(path, S_IFREG | 0644, 0));
            break;
        case 2:
            what = "symlink";
            ours = our_create(path, FILE_TYPE_LINK | 0777, second);
            linux_result = of_linux(symlink(second, path));
            break;
        case 3:
            what = "unlink";
            ours = our_remove(path, false);
            linux_result = of_linux(unlink(path));
            break;
        case 4:
            what = "rmdir";
            ours = our_remove(path, true);
            linux_result = of_linux(rmdir(path));
            break;
        case 5:
            what = "link";
            ours = our_two(path, second, true);
            linux_result = of_linux(link(path, second));
            break;
        default:
            what = "rename";
            ours = our_two(path, second, false);
            linux_result = of_linux(rename(path, second));
        }
        cr_assert_eq(ours, linux_result, "%d: %s %s %s: %d, on Linux %d", i, what, path, second,
                     ours, linux_result);
        struct file_status status;
        struct stat expected;
        ours = our_status(path, &status);
        linux_result = of_linux(lstat(path, &expected));
        cr_assert_eq(ours, linux_result, "%d: after %s: lstat %s: %d, on Linux %d", i, what, path,
                     ours, linux_result);
        if (ours == 0) {
            cr_assert_eq(status.mode, expected.st_mode);
            if (!S_ISDIR(expected.st_mode)) {
                cr_assert_eq(status.links, expected.st_nlink);
                cr_assert_eq(status.size, (uint64_t)expected.st_size);
            }
        }
    }
}

/* --- Bytes ---------------------------------------------------------------------------------------
 */

Test(fs, bytes_as_on_linux)
{
    static uint8_t data[40000], ours[40000], expected[40000];
    struct file *file;
    uint64_t frames_before = frames_left;
    int linux_file = open("file", O_RDWR | O_CREAT, 0644);

    srand(2);
    cr_assert_eq(vfs_open(NULL, "file", O_RDWR | O_CREAT, 0644, 0, &file), 0);
    for (int i = 0; i < 4000; i++) {
        uint64_t offset = (uint64_t)rand() % 200000, length = (uint64_t)rand() % sizeof(data);
        struct file_vector vector = {(uint64_t)(uintptr_t)data, length};
        int64_t result;

        if (rand() % 20 == 0)
            offset += (uint64_t)1 << (20 + rand() % 20); /* far out: deep trees, holes */
        switch (rand() % 4) {
        case 0:
            for (uint64_t k = 0; k < length; k++)
                data[k] = (uint8_t)rand();
            result = file->operations->write_at(file, &vector, 1, offset);
            cr_assert_eq(result, pwrite(linux_file, data, length, (off_t)offset));
            break;
        case 1:
            cr_assert_eq(vfs_truncate(file->node, offset), 0);
            cr_assert_eq(ftruncate(linux_file, (off_t)offset), 0);
            break;
        case 2:
            cr_assert_eq(file->node->operations->allocate(file, 3, offset, length + 1), 0);
            cr_assert_eq(fallocate(linux_file, 3, (off_t)offset, (off_t)length + 1), 0);
            break;
        default:
            vector.address = (uint64_t)(uintptr_t)ours;
            result = file->operations->read_at(file, &vector, 1, offset);
            cr_assert_eq(result, pread(linux_file, expected, length, (off_t)offset));
            cr_assert(result <= 0 || !memcmp(ours, expected, (size_t)result), "%d", i);
        }
        struct stat status;
        fstat(linux_file, &status);
        struct file_status own;
        cr_assert_eq(file->operations->status(file, &own), 0);
        cr_assert_eq(own.size, (uint64_t)status.st_size);
    }
    close(linux_file);
    cr_assert_eq(our_remove("file", false), 0);
    file_put(file);
    cr_assert_eq(frames_left, frames_before, "%lu frames are missing",
                 (unsigned long)(frames_before - frames_left));
    cr_assert_eq(tmpfs_pages_used(), 0);
}

Test(fs, full_is_enospc_and_not_more)
{
    static uint8_t data[65536];
    struct file_vector vector = {(uint64_t)(uintptr_t)data, sizeof(data)};
    struct file *file;
    int64_t result;
    uint64_t written = 0;

    cr_assert_eq(vfs_open(NULL, "/full", O_RDWR | O_CREAT, 0644, 0, &file), 0);
    while ((result = file->operations->write(file, &vector, 1)) > 0)
        written += (uint64_t)result;
    cr_assert_eq(result, -ENOSPC);
    cr_assert_geq(written, (TEST_FRAMES - 20) * UINT64_C(4096));
    struct file_status status;
    file->operations->status(file, &status);
    cr_assert_eq(status.size, written);
    cr_assert_eq(vfs_truncate(file->node, 0), 0);
    cr_assert_eq(frames_left, TEST_FRAMES);
    cr_assert_eq(file->operations->write(file, &vector, 1), sizeof(data));
    vector.address = 8;
    cr_assert_eq(file->operations->write(file, &vector, 1), -EFAULT);
    cr_assert_eq(file->operations->read_at(file, &vector, 1, 0), -EFAULT);
    file_put(file);
}

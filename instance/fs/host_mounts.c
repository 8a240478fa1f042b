/* The folders of the host that this instance is shown: the proxy is asked for their list once, and
 * each is hung in at its path, whose directories are made where they are missing. */
#include "instance/fs/host_call.h"
#include "instance/fs/host_files.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/sched/thread.h"
#include "instance/string.h"

#include <errno.h>

#define HOST_MAGIC 0x4c4f5441 /* statfs's f_type: "ATOL" */

static _Atomic bool found;
static struct file_lock finding;
static struct thread *_Atomic finder; /* it walks paths meanwhile */

/* The directory of the path, made if it is missing: *node is held. */
static int make_path(char *path, struct vfs_node **node)
{
    struct vfs_creation creation = {.mode = FILE_TYPE_DIRECTORY | 0755};
    for (char *at = path + 1;; at++) {
        char end = *at;
        if (end != '/' && end != '\0')
            continue;
        *at = '\0';
        struct vfs_place *place = kzalloc(sizeof(*place));
        if (place == NULL)
            return -ENOMEM;
        int error = vfs_walk(NULL, path, VFS_FOLLOW | VFS_MISSING, place);
        if (error == 0 && place->node == NULL)
            error = place->parent->operations->create == NULL
                        ? -EPERM
                        : place->parent->operations->create(place->parent, place->name, &creation,
                                                            &place->node);
        if (error == 0 && place->node->type != FILE_TYPE_DIRECTORY)
            error = -ENOTDIR;
        if (error == 0 && end == '\0')
            *node = vfs_hold(place->node);
        if (error == 0 || place->parent != NULL)
            vfs_place_put(place);
        kfree(place);
        *at = end;
        if (error != 0 || end == '\0')
            return error;
    }
}

static int hang_in(uint32_t number, char *path, bool writable)
{
    struct vfs_mount *mount = kzalloc(sizeof(*mount));
    struct vfs_node *covered = NULL;
    int error = mount == NULL ? -ENOMEM : make_path(path, &covered);
    if (error == 0) {
        mount->number = number;
        error = host_root_create(mount, &mount->root);
    }
    if (error != 0) {
        vfs_put(covered);
        kfree(mount);
        return error;
    }
    mount->type = "atoll";
    mount->path = path;
    mount->magic = HOST_MAGIC;
    mount->read_only = !writable;
    vfs_mount_add(mount, covered);
    return 0;
}

static void find_all(void)
{
    for (uint32_t number = 0;; number++) {
        struct host_call call = {.request = {.operation = IO_FILE_MOUNT, .mount = number}};
        char *path = kmalloc(VFS_PATH_MAX);
        if (path == NULL)
            return;
        call.to = path;
        call.capacity = VFS_PATH_MAX - 1;
        int64_t result = host_call(&call);
        if (result < 0 || call.answered == 0) {
            if (result != -ENOENT)
                log_error("the host's folders cannot be asked for: error %ld", result);
            kfree(path);
            return;
        }
        path[call.answered] = '\0';
        int error = hang_in(number, path, result & IO_MOUNT_WRITABLE);
        if (error != 0) {
            log_error("the host's folder cannot be mounted at '%s': error %d", path, error);
            kfree(path);
        }
    }
}

void host_mounts_init(void)
{
    file_lock_init(&finding);
}

void host_mounts_find(void)
{
    if (atomic_load_explicit(&found, memory_order_acquire) ||
        !(instance.handover->flags & MACHINE_FLAG_MOUNTS) ||
        atomic_load(&finder) == thread_current())
        return;
    file_lock_write(&finding);
    if (!atomic_load(&found)) {
        atomic_store(&finder, thread_current());
        find_all();
        atomic_store(&finder, NULL);
        atomic_store_explicit(&found, true, memory_order_release);
    }
    file_unlock_write(&finding);
}

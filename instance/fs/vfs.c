/* Nodes and mounts, and the start of the file system: which trees there are. */
#include "instance/fs/vfs.h"

#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/platform/platform.h"
#include "instance/string.h"

#include <errno.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define DEVICE_FIRST 20 /* st_dev of the first mount; smaller numbers: pipes, the console */

struct vfs_mount *_Atomic vfs_mounts;

void vfs_node_init(struct vfs_node *node, const struct vfs_node_operations *operations,
                   struct vfs_mount *mount, uint32_t type)
{
    node->operations = operations;
    node->mount = mount;
    node->type = type;
    atomic_init(&node->references, 1);
}

void vfs_put(struct vfs_node *node)
{
    if (node != NULL && atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel) == 1)
        node->operations->release(node);
}

void vfs_mount_add(struct vfs_mount *mount, struct vfs_node *covered)
{
    static _Atomic uint64_t count;
    mount->device = DEVICE_FIRST + atomic_fetch_add(&count, 1);
    mount->covered = covered;
    mount->next = atomic_load(&vfs_mounts);
    while (!atomic_compare_exchange_weak(&vfs_mounts, &mount->next, mount))
        ;
}

struct file_time vfs_now(void)
{
    uint64_t now = platform_realtime_ns();
    return (struct file_time){(int64_t)(now / NS_PER_SECOND), (uint32_t)(now % NS_PER_SECOND)};
}

int vfs_status(struct vfs_node *node, struct file_status *status)
{
    memset(status, 0, sizeof(*status));
    status->device = node->mount->device;
    status->block_size = 4096;
    status->links = 1;
    return node->operations->status(node, status);
}

int vfs_truncate(struct vfs_node *node, uint64_t size)
{
    if (node->type == FILE_TYPE_DIRECTORY)
        return -EISDIR;
    if (node->type != FILE_TYPE_REGULAR || node->operations->truncate == NULL)
        return -EINVAL;
    if (node->mount->read_only)
        return -EROFS;
    return node->operations->truncate(node, size);
}

int vfs_change(struct vfs_node *node, const struct vfs_change *change)
{
    if (node->mount->read_only)
        return -EROFS;
    if (node->operations->change == NULL)
        return -EPERM;
    return node->operations->change(node, change);
}

/* --- The start -------------------------------------------------------------------------------- */

static const char etc_passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                                 "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
static const char etc_group[] = "root:x:0:\nnogroup:x:65534:\n";
static const char etc_nsswitch[] = "passwd: files\ngroup: files\nhosts: files dns\n"
                                   "services: files\nprotocols: files\n";
static const char etc_resolv[] = "# no name server is known\n";

/* UTC as a file of the time zone database (RFC 8536): version 2, once with 32-bit and once with
 * 64-bit times, no transitions, one type. */
#define ZONE_HEADER(version)                                                                       \
    "TZif" version "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                                                \
    "\0\0\0\0"                                                                                     \
    "\0\0\0\0"                                                                                     \
    "\0\0\0\0"                                                                                     \
    "\0\0\0\0"                                                                                     \
    "\0\0\0\1"                                                                                     \
    "\0\0\0\4"
#define ZONE_TYPE                                                                                  \
    "\0\0\0\0"                                                                                     \
    "\0"                                                                                           \
    "\0"                                                                                           \
    "UTC\0"
static const char etc_localtime[] =
    ZONE_HEADER("2") ZONE_TYPE ZONE_HEADER("2") ZONE_TYPE "\nUTC0\n";

static int make_directory(struct vfs_node *parent, const char *name, uint32_t mode,
                          struct vfs_node **node)
{
    struct vfs_creation creation = {.mode = FILE_TYPE_DIRECTORY | mode};
    return parent->operations->create(parent, name, &creation, node);
}

static int fill_etc(struct vfs_node *etc)
{
    char hosts[MACHINE_NAME_MAX + 64];
    char name[MACHINE_NAME_MAX + 1];
    const char *own = (const char *)instance.handover->name;
    size_t hosts_length =
        format_to(hosts, sizeof(hosts), "127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost\n", own);
    size_t name_length = format_to(name, sizeof(name), "%s\n", own);
    const struct {
        const char *name, *bytes;
        size_t length;
    } files[] = {
        {"passwd", etc_passwd, sizeof(etc_passwd) - 1},
        {"group", etc_group, sizeof(etc_group) - 1},
        {"nsswitch.conf", etc_nsswitch, sizeof(etc_nsswitch) - 1},
        {"resolv.conf", etc_resolv, sizeof(etc_resolv) - 1},
        {"localtime", etc_localtime, sizeof(etc_localtime) - 1},
        {"hosts", hosts, hosts_length},
        {"hostname", name, name_length},
    };
    int error = 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && error == 0; i++)
        error = tmpfs_put_file(etc, files[i].name, files[i].bytes, files[i].length);
    return error;
}

/* A mount over a new directory of the root. */
static int hang(struct vfs_node *parent, const char *name, uint32_t mode, struct vfs_mount *mount)
{
    struct vfs_node *covered = NULL;
    if (mount == NULL)
        return -ENOMEM;
    int error = parent == NULL ? 0 : make_directory(parent, name, mode, &covered);
    if (error == 0)
        vfs_mount_add(mount, covered);
    return error;
}

int vfs_init(void)
{
    struct vfs_mount *root = tmpfs_mount_create("/", 0755);
    if (root == NULL)
        return -ENOMEM;
    vfs_mount_add(root, NULL);
    host_mounts_init();
    static const struct {
        const char *name;
        uint32_t mode;
    } directories[] = {
        {"etc", 0755}, {"tmp", 01777}, {"var", 0755}, {"root", 0700}, {"home", 0755}};
    int error = 0;
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]) && error == 0; i++) {
        struct vfs_node *node;
        error = make_directory(root->root, directories[i].name, directories[i].mode, &node);
        if (error == 0 && i == 0)
            error = fill_etc(node);
        if (error == 0 && strcmp(directories[i].name, "var") == 0) {
            struct vfs_node *inner;
            error = make_directory(node, "tmp", 01777, &inner);
            if (error == 0)
                vfs_put(inner);
        }
        if (error == 0)
            vfs_put(node);
    }
    static const char *const trees[] = {"/proc", "/sys", "/dev"};
    struct vfs_node *shm = NULL;
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]) && error == 0; i++) {
        struct vfs_mount *mount = pseudo_mount_create(trees[i]);
        error = hang(root->root, trees[i] + 1, 0755, mount);
        if (error == 0 && i == 2)
            error = mount->root->operations->lookup(mount->root, "shm", &shm);
    }
    if (error == 0) {
        struct vfs_mount *mount = tmpfs_mount_create("/dev/shm", 01777);
        if (mount == NULL)
            return -ENOMEM;
        vfs_mount_add(mount, shm);
    }
    return error;
}

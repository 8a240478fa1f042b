/* The walk along a path, one name at a time: mounts are crossed, symbolic links put in front of
 * what is left of the path. Owns the working directory and the umask. */
#include "instance/fs/vfs.h"

#include "instance/mm/kmalloc.h"
#include "instance/string.h"

#include <errno.h>

static struct spinlock walk_lock;               /* guards the next two */
static struct vfs_node *walk_working_directory; /* NULL: / */
static uint32_t walk_umask = 022;

/* --- Mounts ----------------------------------------------------------------------------------- */

static bool node_is_same(const struct vfs_node *one, const struct vfs_node *other)
{
    if (one == other)
        return true;
    if (one == NULL || other == NULL || one->operations != other->operations ||
        one->mount != other->mount || one->operations->same == NULL)
        return false;
    return one->operations->same(one, other);
}

static struct vfs_node *walk_root(void)
{
    struct vfs_mount *mount = atomic_load_explicit(&vfs_mounts, memory_order_acquire);
    while (mount->covered != NULL)
        mount = mount->next;
    return vfs_hold(mount->root);
}

/* The root of what is mounted over the node, whose reference is given for it; or the node. */
static struct vfs_node *walk_into_mounts(struct vfs_node *node)
{
    if (node->type != FILE_TYPE_DIRECTORY && node->type != FILE_TYPE_REGULAR)
        return node;
    for (;;) {
        struct vfs_mount *mount = atomic_load_explicit(&vfs_mounts, memory_order_acquire);
        while (mount != NULL && !node_is_same(mount->covered, node))
            mount = mount->next;
        if (mount == NULL)
            return node;
        vfs_put(node);
        node = vfs_hold(mount->root);
    }
}

/* Takes the reference of `directory` and gives its parent's, or an error (then it keeps it). `top`:
 * where a walk that may not leave began, or NULL. */
static int walk_up(struct vfs_node **directory, const struct vfs_node *top, unsigned flags)
{
    struct vfs_node *node = *directory, *parent;
    if (top != NULL && node_is_same(node, top))
        return flags & VFS_IN_ROOT ? 0 : -EXDEV;
    if ((flags & VFS_NO_MOUNTS) && node_is_same(node, node->mount->root) &&
        node->mount->covered != NULL)
        return -EXDEV;
    while (node_is_same(node, node->mount->root)) {
        if (node->mount->covered == NULL)
            return 0; /* /.. is / */
        struct vfs_node *covered = vfs_hold(node->mount->covered);
        vfs_put(node);
        *directory = node = covered;
    }
    int error = node->operations->parent(node, &parent);
    if (error != 0)
        return error;
    vfs_put(node);
    *directory = walk_into_mounts(parent);
    return 0;
}

/* --- The walk --------------------------------------------------------------------------------- */

struct walk {
    char *rest;          /* what is left of the path, in */
    char *front, *spare; /* one of these, of VFS_PATH_MAX * 2 bytes */
    unsigned links;
    struct vfs_node *top; /* VFS_BENEATH, VFS_IN_ROOT: where it began; else NULL */
};

#define WALK_BUFFER (2 * VFS_PATH_MAX)

/* Puts the target of the link before the rest. 1: a link to an open file, *file. */
static int walk_follow(struct walk *walk, struct vfs_node *link, struct file **file)
{
    if (link->operations->follow != NULL) {
        int error = link->operations->follow(link, file);
        return error != 0 ? error : 1;
    }
    if (++walk->links > VFS_LINKS_MAX)
        return -ELOOP;
    size_t rest = strlen(walk->rest);
    int64_t length = link->operations->read_link(link, walk->spare, VFS_PATH_MAX);
    if (length < 0)
        return (int)length;
    if (length == 0)
        return -ENOENT;
    if ((uint64_t)length >= VFS_PATH_MAX || (uint64_t)length + rest + 1 > WALK_BUFFER)
        return -ENAMETOOLONG;
    memcpy(walk->spare + length, walk->rest, rest + 1); /* begins with a slash, or is empty */
    walk->rest = walk->spare;
    walk->spare = walk->front;
    walk->front = walk->rest;
    return 0;
}

/* Cuts the next name off walk->rest into place->name. -ENAMETOOLONG. */
static int walk_next_name(struct walk *walk, struct vfs_place *place)
{
    size_t length = 0;
    while (walk->rest[length] != '\0' && walk->rest[length] != '/')
        length++;
    if (length > VFS_NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(place->name, walk->rest, length);
    place->name[length] = '\0';
    walk->rest += length;
    return 0;
}

/* May a walk with these flags follow the link? 0, -ELOOP or -EXDEV. */
static int walk_check_link(const struct vfs_node *link, unsigned flags)
{
    bool magic = link->operations->follow != NULL;
    if ((flags & VFS_NO_LINKS) || (magic && (flags & VFS_NO_MAGIC)))
        return -ELOOP;
    return magic && (flags & (VFS_BENEATH | VFS_IN_ROOT | VFS_NO_MOUNTS)) ? -EXDEV : 0;
}

/* From `node`, whose reference it takes, to where absolute paths begin. 0 or -EXDEV (then it keeps
 * it). */
static int walk_to_root(const struct walk *walk, struct vfs_node **node, unsigned flags)
{
    if (flags & VFS_BENEATH)
        return -EXDEV;
    struct vfs_node *root = flags & VFS_IN_ROOT ? vfs_hold(walk->top) : walk_root();
    if ((flags & VFS_NO_MOUNTS) && root->mount != (*node)->mount) {
        vfs_put(root);
        return -EXDEV;
    }
    vfs_put(*node);
    *node = root;
    return 0;
}

/* Walks from `node`, whose reference it takes. */
static int walk_on(struct walk *walk, struct vfs_node *node, unsigned flags,
                   struct vfs_place *place)
{
    int error;
    for (;;) {
        bool after_slash = *walk->rest == '/';
        while (*walk->rest == '/')
            walk->rest++;
        if (*walk->rest == '\0') {
            place->slash = after_slash;
            break;
        }
        error = -ENOTDIR;
        if (node->type != FILE_TYPE_DIRECTORY)
            goto fail;
        error = walk_next_name(walk, place);
        if (error != 0)
            goto fail;
        const char *after = walk->rest;
        while (*after == '/')
            after++;
        bool is_last = *after == '\0', slash = is_last && *walk->rest == '/';

        if (strcmp(place->name, ".") == 0) {
            place->last = VFS_LAST_DOT;
            continue;
        }
        if (strcmp(place->name, "..") == 0) {
            place->last = VFS_LAST_DOTDOT;
            error = walk_up(&node, walk->top, flags);
            if (error != 0)
                goto fail;
            continue;
        }
        place->last = VFS_LAST_NAME;
        if (is_last && (flags & VFS_PARENT)) {
            place->parent = node;
            place->slash = slash;
            return 0;
        }
        struct vfs_node *child = NULL;
        error = node->operations->lookup(node, place->name, &child);
        if (error == -ENOENT && is_last && (flags & VFS_MISSING)) {
            place->parent = node;
            place->slash = slash;
            return 0;
        }
        if (error != 0)
            goto fail;
        if (child->type == FILE_TYPE_LINK && (!is_last || slash || (flags & VFS_FOLLOW))) {
            error = walk_check_link(child, flags);
            if (error == 0)
                error = walk_follow(walk, child, &place->file);
            vfs_put(child);
            if (error < 0)
                goto fail;
            if (error == 1) {
                struct file *file = place->file;
                /* An open directory may be walked on from; any other file ends the path. */
                if (file->node != NULL) {
                    vfs_put(node);
                    node = vfs_hold(file->node);
                    if (!is_last || node->type == FILE_TYPE_DIRECTORY) {
                        place->file = NULL;
                        file_put(file);
                        continue;
                    }
                }
                error = -ENOTDIR;
                if (!is_last || slash)
                    goto fail;
                vfs_put(node);
                return 0;
            }
            if (*walk->rest == '/') { /* an absolute target */
                error = walk_to_root(walk, &node, flags);
                if (error != 0)
                    goto fail;
                place->last = VFS_LAST_ROOT;
            }
            continue;
        }
        struct vfs_mount *mount = child->mount;
        child = walk_into_mounts(child);
        if ((flags & VFS_NO_MOUNTS) && child->mount != mount) {
            vfs_put(child);
            error = -EXDEV;
            goto fail;
        }
        if (is_last) {
            error = -ENOTDIR;
            place->parent = node;
            place->node = child;
            place->slash = slash;
            if (slash && child->type != FILE_TYPE_DIRECTORY) {
                vfs_place_put(place);
                return error;
            }
            return 0;
        }
        vfs_put(node);
        node = child;
    }
    /* Ended in ".", ".." or the root itself. */
    if (place->last == VFS_LAST_NAME)
        place->last = VFS_LAST_DOT;
    if (place->slash && node->type != FILE_TYPE_DIRECTORY) {
        error = -ENOTDIR;
        goto fail;
    }
    place->node = node;
    return 0;
fail:
    vfs_put(node);
    if (place->file != NULL)
        file_put(place->file);
    return error;
}

int vfs_walk(struct vfs_node *start, const char *path, unsigned flags, struct vfs_place *place)
{
    memset(place, 0, offsetof(struct vfs_place, name) + 1);
    if (*path == '\0')
        return -ENOENT;
    size_t length = strlen(path);
    if (length >= VFS_PATH_MAX)
        return -ENAMETOOLONG;
    host_mounts_find();
    char *buffers = kmalloc(2 * (size_t)WALK_BUFFER);
    if (buffers == NULL)
        return -ENOMEM;
    struct walk walk = {.rest = buffers, .front = buffers, .spare = buffers + WALK_BUFFER};
    memcpy(buffers, path, length + 1);
    bool confined = flags & (VFS_BENEATH | VFS_IN_ROOT);
    struct vfs_node *node = NULL;
    int error = 0;
    place->last = VFS_LAST_DOT;
    if (*path != '/' || confined)
        node = start != NULL ? vfs_hold(start) : vfs_working_directory();
    if (confined)
        walk.top = vfs_hold(node);
    if (*path == '/') {
        place->last = VFS_LAST_ROOT;
        if (node == NULL)
            node = walk_root();
        else
            error = walk_to_root(&walk, &node, flags);
    }
    if (error == 0)
        error = walk_on(&walk, node, flags, place);
    else
        vfs_put(node);
    vfs_put(walk.top);
    kfree(buffers);
    return error;
}

void vfs_place_put(struct vfs_place *place)
{
    vfs_put(place->node);
    vfs_put(place->parent);
    if (place->file != NULL)
        file_put(place->file);
    place->node = place->parent = NULL;
    place->file = NULL;
}

int64_t vfs_directory_path(struct vfs_node *directory, char *path)
{
    /* Built from its end, then moved to the front. */
    char *name = kmalloc(VFS_NAME_MAX + 1);
    size_t at = VFS_PATH_MAX - 1;
    int64_t result = -ENOMEM;
    if (name == NULL)
        return result;
    struct vfs_node *node = vfs_hold(directory);
    path[at] = '\0';
    for (;;) {
        struct vfs_node *parent = node->mount->covered;
        if (node_is_same(node, node->mount->root)) {
            if (parent == NULL)
                break;
            vfs_hold(parent);
            vfs_put(node);
            node = parent;
            continue;
        }
        result = node->operations->name(node, name);
        if (result < 0)
            goto out;
        if ((uint64_t)result + 1 > at) {
            result = -ENAMETOOLONG;
            goto out;
        }
        at -= (size_t)result;
        memcpy(path + at, name, (size_t)result);
        path[--at] = '/';
        result = node->operations->parent(node, &parent);
        if (result < 0)
            goto out;
        vfs_put(node);
        node = parent;
    }
    if (path[at] == '\0')
        path[--at] = '/';
    result = (int64_t)(VFS_PATH_MAX - 1 - at);
    memmove(path, path + at, (size_t)result + 1);
out:
    vfs_put(node);
    kfree(name);
    return result;
}

/* --- What the process keeps --------------------------------------------------------------------
 */

struct vfs_node *vfs_working_directory(void)
{
    spin_lock(&walk_lock);
    struct vfs_node *node = walk_working_directory;
    if (node != NULL)
        vfs_hold(node);
    spin_unlock(&walk_lock);
    return node != NULL ? node : walk_root();
}

int vfs_set_working_directory(struct vfs_node *directory)
{
    if (directory->type != FILE_TYPE_DIRECTORY)
        return -ENOTDIR;
    vfs_hold(directory);
    spin_lock(&walk_lock);
    struct vfs_node *former = walk_working_directory;
    walk_working_directory = directory;
    spin_unlock(&walk_lock);
    vfs_put(former);
    return 0;
}

uint32_t vfs_umask(void)
{
    return __atomic_load_n(&walk_umask, __ATOMIC_RELAXED);
}

uint32_t vfs_set_umask(uint32_t mask)
{
    return __atomic_exchange_n(&walk_umask, mask & 0777, __ATOMIC_RELAXED);
}

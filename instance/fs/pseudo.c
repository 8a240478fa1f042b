/* The file system of told trees: nodes are made when a name is looked up, from the table's entry
 * and the number in the path. */
#include "instance/fs/pseudo.h"

#include "instance/core.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"

#include <errno.h>

struct pseudo_node {
    struct vfs_node node;
    const struct pseudo_tree *tree;
    const struct pseudo_entry *entry;
    uint64_t number; /* the last '#' on the way here, or 0 */
};

static const struct vfs_node_operations pseudo_operations, pseudo_file_link_operations;

/* --- Text ------------------------------------------------------------------------------------- */

static bool pseudo_room(struct pseudo_text *text, size_t length)
{
    if (text->capacity - text->length > length)
        return true;
    size_t capacity = text->capacity == 0 ? 512 : text->capacity;
    while (capacity - text->length <= length)
        capacity *= 2;
    char *bytes = kmalloc(capacity);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    if (text->bytes != NULL)
        memcpy(bytes, text->bytes, text->length);
    kfree(text->bytes);
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void pseudo_add(struct pseudo_text *text, const void *bytes, size_t length)
{
    if (!pseudo_room(text, length))
        return;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void pseudo_print(struct pseudo_text *text, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length < sizeof(line)) {
        pseudo_add(text, line, length);
        return;
    }
    if (!pseudo_room(text, length + 1))
        return;
    va_start(arguments, format);
    format_text(text->bytes + text->length, length + 1, format, arguments);
    va_end(arguments);
    text->length += length;
}

uint64_t pseudo_next_core(uint64_t from)
{
    return from < core_count ? from : UINT64_MAX;
}

void pseudo_core_list(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    if (core_count == 1)
        pseudo_print(text, "0\n");
    else
        pseudo_print(text, "0-%u\n", core_count - 1);
}

/* --- Entries ---------------------------------------------------------------------------------- */

static struct pseudo_node *pseudo_of(const struct vfs_node *node)
{
    return (struct pseudo_node *)node;
}

static int pseudo_make(struct vfs_mount *mount, const struct pseudo_tree *tree,
                       const struct pseudo_entry *entry, uint64_t number, struct vfs_node **node)
{
    struct pseudo_node *made = kzalloc(sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    const struct vfs_node_operations *operations =
        entry->follow != NULL ? &pseudo_file_link_operations : &pseudo_operations;
    vfs_node_init(&made->node, operations, mount, entry->mode & FILE_TYPE_MASK);
    made->tree = tree;
    made->entry = entry;
    made->number = number;
    *node = &made->node;
    return 0;
}

static uint64_t pseudo_inode(const struct pseudo_tree *tree, const struct pseudo_entry *entry,
                             uint64_t number)
{
    return ((uint64_t)(entry - tree->entries) << 32 | number) + 1;
}

/* The last component of the entry's path if it lies directly in `directory`; or NULL. */
static const char *pseudo_name_in(const struct pseudo_entry *entry,
                                  const struct pseudo_entry *directory)
{
    size_t length = strlen(directory->path);
    const char *name = entry->path;
    if (entry == directory || strncmp(name, directory->path, length) != 0)
        return NULL;
    name += length;
    if (length != 0 && *name++ != '/')
        return NULL;
    return *name != '\0' && strchr(name, '/') == NULL ? name : NULL;
}

/* Does `name` match `pattern`, whose '#' is a number? */
static bool pseudo_match(const struct pseudo_entry *entry, const char *pattern, const char *name,
                         uint64_t *number)
{
    const char *mark = strchr(pattern, '#');
    if (mark == NULL)
        return strcmp(pattern, name) == 0;
    size_t before = (size_t)(mark - pattern);
    if (strncmp(pattern, name, before) != 0)
        return false;
    name += before;
    uint64_t value = 0;
    size_t digits = 0;
    for (; name[digits] >= '0' && name[digits] <= '9' && digits < 10; digits++)
        value = value * 10 + (uint64_t)(name[digits] - '0');
    if (digits == 0 || name[digits] != '\0' || (name[0] == '0' && digits > 1) ||
        entry->next(value) != value)
        return false;
    *number = value;
    return true;
}

static int pseudo_lookup(struct vfs_node *directory, const char *name, struct vfs_node **node)
{
    const struct pseudo_node *in = pseudo_of(directory);
    for (size_t i = 1; i < in->tree->count; i++) {
        const struct pseudo_entry *entry = &in->tree->entries[i];
        const char *pattern = pseudo_name_in(entry, in->entry);
        uint64_t number = in->number;
        if (pattern != NULL && pseudo_match(entry, pattern, name, &number))
            return pseudo_make(directory->mount, in->tree, entry, number, node);
    }
    return -ENOENT;
}

static int pseudo_parent(struct vfs_node *directory, struct vfs_node **parent)
{
    const struct pseudo_node *of = pseudo_of(directory);
    for (size_t i = 0; i < of->tree->count; i++)
        if (pseudo_name_in(of->entry, &of->tree->entries[i]) != NULL)
            return pseudo_make(directory->mount, of->tree, &of->tree->entries[i],
                               strchr(of->tree->entries[i].path, '#') != NULL ? of->number : 0,
                               parent);
    return -ENOENT;
}

static size_t pseudo_spell(const char *pattern, uint64_t number, char *to)
{
    const char *mark = strchr(pattern, '#');
    if (mark == NULL)
        return format_to(to, VFS_NAME_MAX + 1, "%s", pattern);
    size_t before = (size_t)(mark - pattern);
    memcpy(to, pattern, before);
    return before + format_to(to + before, VFS_NAME_MAX + 1 - before, "%lu", number);
}

static int64_t pseudo_name(struct vfs_node *directory, char *to)
{
    const struct pseudo_node *of = pseudo_of(directory);
    const char *slash = strrchr(of->entry->path, '/');
    return (int64_t)pseudo_spell(slash != NULL ? slash + 1 : of->entry->path, of->number, to);
}

/* Positions: "." and "..", then (entry << 32) + number + 2. */
static int pseudo_entries(struct file *file, uint64_t position, vfs_emit_t emit, void *context)
{
    const struct pseudo_node *in = pseudo_of(file->node);
    char name[VFS_NAME_MAX + 1];
    uint64_t inode = pseudo_inode(in->tree, in->entry, in->number);
    if (position == 0 && emit(context, ".", 1, inode, FILE_TYPE_DIRECTORY, 1))
        position = 1;
    if (position == 1 && emit(context, "..", 2, inode, FILE_TYPE_DIRECTORY, 2))
        position = 2;
    if (position < 2)
        return 0;
    uint64_t number = (position - 2) & UINT32_MAX;
    for (size_t i = (position - 2) >> 32; i < in->tree->count; i++, number = 0) {
        const struct pseudo_entry *entry = &in->tree->entries[i];
        const char *pattern = pseudo_name_in(entry, in->entry);
        if (pattern == NULL)
            continue;
        bool many = strchr(pattern, '#') != NULL;
        if (many)
            number = entry->next(number);
        while (number != UINT64_MAX) {
            uint64_t next = many ? ((uint64_t)i << 32) + number + 3 : ((uint64_t)(i + 1) << 32) + 2;
            if (!emit(context, name, pseudo_spell(pattern, number, name),
                      pseudo_inode(in->tree, entry, many ? number : in->number),
                      entry->mode & FILE_TYPE_MASK, next))
                return 0;
            number = many ? entry->next(number + 1) : UINT64_MAX;
        }
    }
    return 0;
}

static int pseudo_status(struct vfs_node *node, struct file_status *status)
{
    const struct pseudo_node *of = pseudo_of(node);
    status->mode = of->entry->mode;
    status->inode = pseudo_inode(of->tree, of->entry, of->number);
    status->special = of->entry->special;
    status->links = node->type == FILE_TYPE_DIRECTORY ? 2 : 1;
    status->accessed = status->modified = status->changed = vfs_now();
    if (of->tree == &pseudo_sys && node->type == FILE_TYPE_REGULAR)
        status->size = 4096;
    return 0;
}

static int64_t pseudo_read_link(struct vfs_node *node, char *to, size_t capacity)
{
    const struct pseudo_node *of = pseudo_of(node);
    if (of->entry->target != NULL)
        return of->entry->target(of->number, to, capacity);
    size_t length = strlen(of->entry->constant);
    if (length > capacity)
        length = capacity;
    memcpy(to, of->entry->constant, length);
    return (int64_t)length;
}

static bool pseudo_same(const struct vfs_node *one, const struct vfs_node *other)
{
    return pseudo_of(one)->entry == pseudo_of(other)->entry &&
           pseudo_of(one)->number == pseudo_of(other)->number;
}

static int pseudo_change(struct vfs_node *node, const struct vfs_change *change)
{
    (void)change;
    /* Times and owners of devices are nobody's business, but setting them is no error. */
    return node->type == FILE_TYPE_CHARACTER ? 0 : -EPERM;
}

static int pseudo_truncate(struct vfs_node *node, uint64_t size)
{
    (void)size;
    return node->type == FILE_TYPE_CHARACTER ? 0 : -EACCES;
}

static int pseudo_statistics(struct vfs_node *node, struct vfs_statistics *out)
{
    (void)node;
    *out = (struct vfs_statistics){.block_size = 4096, .name_max = VFS_NAME_MAX};
    return 0;
}

static void pseudo_release(struct vfs_node *node)
{
    kfree(node);
}

/* --- Open files ------------------------------------------------------------------------------- */

static int pseudo_open(struct file *file)
{
    const struct pseudo_node *of = pseudo_of(file->node);
    uint32_t access = atomic_load(&file->flags) & 3;
    if (of->entry->open != NULL)
        return of->entry->open(file);
    if (of->node.type != FILE_TYPE_REGULAR)
        return 0;
    if (access != 0)
        return -EACCES;
    struct pseudo_text *text = kzalloc(sizeof(*text));
    if (text == NULL)
        return -ENOMEM;
    if (of->entry->text != NULL)
        of->entry->text(text, of->number);
    else
        pseudo_print(text, "%s", of->entry->constant);
    if (text->failed) {
        kfree(text->bytes);
        kfree(text);
        return -ENOMEM;
    }
    file->data = text;
    return 0;
}

static void pseudo_close(struct file *file)
{
    struct pseudo_text *text = file->data;
    if (text != NULL)
        kfree(text->bytes);
    kfree(text);
}

static int64_t pseudo_read(struct file *file, struct file_cursor *to, uint64_t length,
                           uint64_t offset)
{
    const struct pseudo_node *of = pseudo_of(file->node);
    const struct pseudo_text *text = file->data;
    if (of->entry->read != NULL)
        return of->entry->read(to, length);
    if (text == NULL)
        return -EINVAL;
    if (offset >= text->length)
        return 0;
    if (length > text->length - offset)
        length = text->length - offset;
    int error = file_cursor_write(to, text->bytes + offset, length);
    return error != 0 ? error : (int64_t)length;
}

static int64_t pseudo_write(struct file *file, struct file_cursor *from, uint64_t length,
                            uint64_t *offset, bool append)
{
    const struct pseudo_node *of = pseudo_of(file->node);
    (void)offset;
    (void)append;
    return of->entry->write != NULL ? of->entry->write(from, length) : -EINVAL;
}

static int64_t pseudo_control(struct file *file, uint32_t request, uint64_t argument)
{
    const struct pseudo_node *of = pseudo_of(file->node);
    return of->entry->control != NULL ? of->entry->control(request, argument) : -ENOTTY;
}

/* Links to open files have an operation of their own for it. */
static int pseudo_follow(struct vfs_node *node, struct file **file)
{
    const struct pseudo_node *of = pseudo_of(node);
    return of->entry->follow(of->number, file);
}

#define PSEUDO_OPERATIONS                                                                          \
    .lookup = pseudo_lookup, .parent = pseudo_parent, .name = pseudo_name,                         \
    .status = pseudo_status, .read_link = pseudo_read_link, .change = pseudo_change,               \
    .truncate = pseudo_truncate, .statistics = pseudo_statistics, .same = pseudo_same,             \
    .release = pseudo_release, .open = pseudo_open, .close = pseudo_close, .read = pseudo_read,    \
    .write = pseudo_write, .entries = pseudo_entries, .control = pseudo_control

static const struct vfs_node_operations pseudo_operations = {PSEUDO_OPERATIONS};
static const struct vfs_node_operations pseudo_file_link_operations = {PSEUDO_OPERATIONS,
                                                                       .follow = pseudo_follow};

struct vfs_mount *pseudo_mount_create(const char *path)
{
    static const struct pseudo_tree *const trees[] = {&pseudo_proc, &pseudo_sys, &pseudo_dev};
    struct vfs_mount *mount = kzalloc(sizeof(*mount));
    const struct pseudo_tree *tree = NULL;
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
        if (strcmp(trees[i]->path, path) == 0)
            tree = trees[i];
    if (mount == NULL || tree == NULL ||
        pseudo_make(mount, tree, &tree->entries[0], 0, &mount->root) != 0) {
        kfree(mount);
        return NULL;
    }
    mount->type = tree->type;
    mount->path = tree->path;
    mount->magic = tree->magic;
    return mount;
}

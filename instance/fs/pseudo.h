/* Trees that are told, not stored: /proc, /sys and /dev. A tree is a table of paths; '#' in one
 * stands for a number (a thread, a descriptor, a core). Text files are made when they are opened.
 * Shared by pseudo.c and the tables pseudo_proc.c, pseudo_sys.c, pseudo_dev.c. */
#ifndef INSTANCE_FS_PSEUDO_H
#define INSTANCE_FS_PSEUDO_H

#include "instance/fs/vfs.h"

/* The text of a file being made; what did not fit for lack of memory makes the open fail. */
struct pseudo_text {
    char *bytes;
    size_t length, capacity;
    bool failed;
};
__attribute__((format(printf, 2, 3))) void pseudo_print(struct pseudo_text *text,
                                                        const char *format, ...);
void pseudo_add(struct pseudo_text *text, const void *bytes, size_t length);

struct pseudo_entry {
    const char *path; /* without a leading slash; each directory has an entry of its own, before
                         what is in it */
    uint32_t mode;    /* FILE_TYPE_* and permissions */
    uint64_t special; /* device number */
    /* By kind, those that apply: */
    void (*text)(struct pseudo_text *text, uint64_t number);
    const char *constant; /* text, or the target of a link */
    int64_t (*target)(uint64_t number, char *to, size_t capacity);
    int (*follow)(uint64_t number, struct file **file);
    uint64_t (*next)(uint64_t from); /* of a '#': the least number there is from `from` on, or
                                        UINT64_MAX */
    int64_t (*read)(struct file_cursor *to, uint64_t length);
    int64_t (*write)(struct file_cursor *from, uint64_t length);
    int64_t (*control)(uint32_t request, uint64_t argument);
    int (*open)(struct file *file);
};

struct pseudo_tree {
    const char *path; /* of the mount */
    const char *type;
    uint64_t magic;
    const struct pseudo_entry *entries; /* [0] is the root: path "" */
    size_t count;
};

extern const struct pseudo_tree pseudo_proc, pseudo_sys, pseudo_dev;

/* "0-3", "0": the cores of this instance. */
void pseudo_core_list(struct pseudo_text *text, uint64_t number);
uint64_t pseudo_next_core(uint64_t from);

#define PSEUDO_DIRECTORY (FILE_TYPE_DIRECTORY | 0555)
#define PSEUDO_FILE (FILE_TYPE_REGULAR | 0444)
#define PSEUDO_LINK (FILE_TYPE_LINK | 0777)

#endif

/* The contents of files in memory: reading, writing, holes, and the pages that mappings show. */
#include "instance/fs/mapped.h"
#include "instance/fs/tmpfs.h"
#include "instance/mm/frames.h"
#include "instance/mm/space.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>

#define TMPFS_SIZE_MAX INT64_MAX

static uint64_t tmpfs_page(struct tmpfs_node *node, uint64_t index)
{
    spin_lock(&node->pages_lock);
    uint64_t frame = tmpfs_pages_find(&node->pages, index);
    spin_unlock(&node->pages_lock);
    return frame;
}

/* The page for writing: made if it is a hole. 0: no room. */
uint64_t tmpfs_page_for_write(struct tmpfs_node *node, uint64_t index)
{
    uint64_t frame = tmpfs_page(node, index);
    if (frame != 0)
        return frame;
    frame = tmpfs_frame_alloc();
    if (frame == FRAME_NONE)
        return 0;
    spin_lock(&node->pages_lock);
    uint64_t there = tmpfs_pages_find(&node->pages, index); /* a shared mapping may be faster */
    int error = there != 0 ? -EEXIST : tmpfs_pages_insert(&node->pages, index, frame);
    spin_unlock(&node->pages_lock);
    if (error == 0)
        return frame;
    tmpfs_frame_free(frame);
    return there;
}

uint8_t *tmpfs_bytes(uint64_t frame)
{
    return (uint8_t *)(platform_direct_base + frame);
}

int64_t tmpfs_read(struct file *file, struct file_cursor *to, uint64_t length, uint64_t offset)
{
    static const uint8_t zeros[PAGE_SIZE];
    struct tmpfs_node *node = tmpfs_of(file->node);
    uint64_t done = 0;
    int error = 0;
    file_lock_read(&node->data_lock);
    uint64_t left = offset < node->size ? node->size - offset : 0;
    if (length > left)
        length = left;
    while (done < length && error == 0) {
        uint64_t at = offset + done, inside = at & (PAGE_SIZE - 1);
        uint64_t piece = PAGE_SIZE - inside;
        if (piece > length - done)
            piece = length - done;
        uint64_t frame = tmpfs_page(node, at >> PAGE_SHIFT);
        int64_t got =
            file_cursor_write_most(to, frame != 0 ? tmpfs_bytes(frame) + inside : zeros, piece);
        if (got > 0)
            done += (uint64_t)got;
        if (got != (int64_t)piece)
            error = -EFAULT;
    }
    file_unlock_read(&node->data_lock);
    if (length != 0)
        tmpfs_touch(node, false);
    return done != 0 || error == 0 ? (int64_t)done : error;
}

/* The data lock is held. */
void tmpfs_set_size(struct tmpfs_node *node, uint64_t size)
{
    spin_lock(&node->pages_lock);
    __atomic_store_n(&node->size, size, __ATOMIC_RELAXED);
    spin_unlock(&node->pages_lock);
}

int64_t tmpfs_write(struct file *file, struct file_cursor *from, uint64_t length, uint64_t *offset,
                    bool append)
{
    struct tmpfs_node *node = tmpfs_of(file->node);
    uint64_t done = 0;
    int error = 0;
    file_lock_write(&node->data_lock);
    if (append)
        *offset = node->size;
    if (length != 0 && *offset >= TMPFS_SIZE_MAX)
        error = -EFBIG;
    else if (node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        error = -EPERM;
    else if ((node->seals & F_SEAL_GROW) && *offset + length > node->size) {
        length = *offset < node->size ? node->size - *offset : 0;
        error = length == 0 ? -EPERM : 0; /* what fits is written */
    } else if (length > TMPFS_SIZE_MAX - *offset)
        length = TMPFS_SIZE_MAX - *offset;
    while (done < length && error == 0) {
        uint64_t at = *offset + done, inside = at & (PAGE_SIZE - 1);
        uint64_t piece = PAGE_SIZE - inside;
        if (piece > length - done)
            piece = length - done;
        uint64_t frame = tmpfs_page_for_write(node, at >> PAGE_SHIFT);
        if (frame == 0) {
            error = -ENOSPC;
            break;
        }
        int64_t result = file_cursor_read_most(from, tmpfs_bytes(frame) + inside, piece);
        uint64_t got = result > 0 ? (uint64_t)result : 0;
        done += got;
        if (got != piece) {
            error = -EFAULT;
            if (at + piece > node->size) { /* behind the end all bytes are zero */
                uint64_t keep = node->size > at ? node->size - at : 0;
                keep = keep > got ? keep : got;
                memset(tmpfs_bytes(frame) + inside + keep, 0, piece - keep);
            }
        }
        if (got != 0 && at + got > node->size)
            tmpfs_set_size(node, at + got);
    }
    file_unlock_write(&node->data_lock);
    if (done != 0)
        tmpfs_touch(node, true);
    return done != 0 || error == 0 ? (int64_t)done : error;
}

static bool tmpfs_maps(const struct area_file *file, const void *node)
{
    return mapped_open_file(file)->node == node;
}

/* Takes the pages from `from` on away from shared mappings. The data lock is held. */
static int tmpfs_forget(struct tmpfs_node *node, uint64_t from)
{
    spin_lock(&node->pages_lock);
    bool mapped = node->mappings != 0;
    spin_unlock(&node->pages_lock);
    return mapped ? space_forget_pages(tmpfs_maps, &node->node, from & ~(PAGE_SIZE - 1), UINT64_MAX)
                  : 0;
}

int tmpfs_truncate(struct vfs_node *of, uint64_t size)
{
    struct tmpfs_node *node = tmpfs_of(of);
    if (size > TMPFS_SIZE_MAX)
        return -EFBIG;
    file_lock_write(&node->data_lock);
    if (((node->seals & F_SEAL_SHRINK) && size < node->size) ||
        ((node->seals & F_SEAL_GROW) && size > node->size)) {
        file_unlock_write(&node->data_lock);
        return -EPERM;
    }
    if (size < node->size) {
        uint64_t inside = size & (PAGE_SIZE - 1);
        /* First the size, so that no fault maps what is behind it; then the mappings; then the
         * pages. */
        tmpfs_set_size(node, size);
        int error = tmpfs_forget(node, size + PAGE_SIZE - 1);
        if (error != 0) {
            file_unlock_write(&node->data_lock);
            return error;
        }
        spin_lock(&node->pages_lock);
        uint64_t frame = inside != 0 ? tmpfs_pages_find(&node->pages, size >> PAGE_SHIFT) : 0;
        if (frame != 0)
            memset(tmpfs_bytes(frame) + inside, 0, PAGE_SIZE - inside);
        tmpfs_pages_drop(&node->pages, (size + PAGE_SIZE - 1) >> PAGE_SHIFT, UINT64_MAX);
        spin_unlock(&node->pages_lock);
    }
    tmpfs_set_size(node, size);
    file_unlock_write(&node->data_lock);
    tmpfs_touch(node, true);
    return 0;
}

/* Zeros [from, to) of one page, if it is there; the pages' lock is held. */
static void tmpfs_zero(struct tmpfs_node *node, uint64_t from, uint64_t to)
{
    uint64_t frame = from < to ? tmpfs_pages_find(&node->pages, from >> PAGE_SHIFT) : 0;
    if (frame != 0)
        memset(tmpfs_bytes(frame) + (from & (PAGE_SIZE - 1)), 0, to - from);
}

/* fallocate: room ahead of use, or (FALLOC_FL_PUNCH_HOLE) a hole. */
int tmpfs_allocate(struct file *file, unsigned mode, uint64_t offset, uint64_t length)
{
    struct tmpfs_node *node = tmpfs_of(file->node);
    uint64_t end = offset + length;
    bool punch = mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
    int error = 0;
    if (!punch && (mode & ~(unsigned)FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    if (end > TMPFS_SIZE_MAX)
        return -EFBIG;
    if (!punch && (length >> PAGE_SHIFT) > tmpfs_pages_limit())
        return -ENOSPC;
    file_lock_write(&node->data_lock);
    if (punch ? node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
              : (node->seals & F_SEAL_GROW) && end > node->size) {
        error = -EPERM;
    } else if (punch) {
        uint64_t first = (offset + PAGE_SIZE - 1) >> PAGE_SHIFT, last = end >> PAGE_SHIFT;
        spin_lock(&node->pages_lock);
        if (node->mappings == 0)
            tmpfs_pages_drop(&node->pages, first, last);
        for (uint64_t at = first; node->mappings != 0 && at < last; at++)
            tmpfs_zero(node, at << PAGE_SHIFT, (at + 1) << PAGE_SHIFT); /* who maps it sees zeros */
        /* What is left at both ends lies inside pages that stay. */
        uint64_t head_end = first << PAGE_SHIFT < end ? first << PAGE_SHIFT : end;
        tmpfs_zero(node, offset, head_end);
        if (last >= first)
            tmpfs_zero(node, last << PAGE_SHIFT, end);
        spin_unlock(&node->pages_lock);
    } else {
        for (uint64_t at = offset >> PAGE_SHIFT; at << PAGE_SHIFT < end && error == 0; at++)
            if (tmpfs_page_for_write(node, at) == 0)
                error = -ENOSPC;
        if (error == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && end > node->size)
            tmpfs_set_size(node, end);
    }
    file_unlock_write(&node->data_lock);
    if (error != -EPERM)
        tmpfs_touch(node, true);
    return error;
}

int tmpfs_seal(struct vfs_node *of, uint32_t seals)
{
    struct tmpfs_node *node = tmpfs_of(of);
    file_lock_write(&node->data_lock);
    int result = (int)node->seals;
    spin_lock(&node->pages_lock);
    if (seals != 0 && (node->seals & F_SEAL_SEAL))
        result = -EPERM;
    else if ((seals & F_SEAL_WRITE) && node->writable_mappings != 0)
        result = -EBUSY;
    else
        node->seals |= seals;
    spin_unlock(&node->pages_lock);
    file_unlock_write(&node->data_lock);
    return result < 0 ? result : (int)node->seals;
}

int64_t tmpfs_seek_data(struct file *file, uint64_t offset, bool hole)
{
    struct tmpfs_node *node = tmpfs_of(file->node);
    int64_t result;
    spin_lock(&node->pages_lock);
    uint64_t index = tmpfs_pages_next(&node->pages, offset >> PAGE_SHIFT, hole);
    uint64_t found = index > node->size >> PAGE_SHIFT ? node->size : index << PAGE_SHIFT;
    if (found < offset)
        found = offset;
    if (offset >= node->size || (!hole && found >= node->size))
        result = -ENXIO;
    else
        result = (int64_t)(found < node->size ? found : node->size);
    spin_unlock(&node->pages_lock);
    return result;
}

int tmpfs_read_page(struct file *file, uint64_t offset, void *to)
{
    struct tmpfs_node *node = tmpfs_of(file->node);
    int error = 0;
    spin_lock(&node->pages_lock);
    uint64_t frame = tmpfs_pages_find(&node->pages, offset >> PAGE_SHIFT);
    if (offset >= node->size)
        error = -ENXIO;
    else if (frame != 0)
        memcpy(to, tmpfs_bytes(frame), PAGE_SIZE);
    else
        memset(to, 0, PAGE_SIZE);
    spin_unlock(&node->pages_lock);
    return error;
}

/* What a fault of a shared mapping takes: the file's own page. No lock of the file's that is held
 * while the program's memory is touched. */
int tmpfs_share_page(struct file *file, uint64_t offset, bool make, bool write, uint64_t *physical)
{
    (void)write;
    struct tmpfs_node *node = tmpfs_of(file->node);
    *physical = FRAME_NONE;
    if (make && offset < __atomic_load_n(&node->size, __ATOMIC_RELAXED) &&
        tmpfs_page_for_write(node, offset >> PAGE_SHIFT) == 0)
        return -ENOSPC;
    int error = 0;
    spin_lock(&node->pages_lock);
    uint64_t frame = tmpfs_pages_find(&node->pages, offset >> PAGE_SHIFT);
    if (offset >= node->size)
        error = -ENXIO;
    else if (frame != 0)
        *physical = frame;
    spin_unlock(&node->pages_lock);
    return error;
}

int tmpfs_map(struct file *file, bool writable, int by)
{
    struct tmpfs_node *node = tmpfs_of(file->node);
    int error = 0;
    spin_lock(&node->pages_lock);
    if (by > 0 && writable && (node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))) {
        error = -EPERM;
    } else {
        node->mappings += (uint64_t)by;
        node->writable_mappings += writable ? (uint64_t)by : 0;
    }
    spin_unlock(&node->pages_lock);
    return error;
}

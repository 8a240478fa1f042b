/* Pages of the host's files that this instance maps shared. While a file is mapped so, each page
 * that was touched is here once, for all mappings; writes go to the host and to the page, reads are
 * the host's bytes with the pages over them. What programs store in the pages is written back on
 * msync, fsync, close, munmap, sync and at the end. Nothing is kept of a file that is not mapped.
 *
 * A page is marked dirty when it is first mapped to be written (area_file's tracks_writes).
 * Writing back clears the mark first, then takes the page from all mappings, so that the next store
 * sets it again, and copies the page last: no store is lost.
 *
 * Locks: data_lock (sleeps) around writes, write-back and cuts, never while the program's memory is
 * touched, for a page fault may wait for it; then the address space's; then pages_lock, a spinlock
 * around the tree and the marks. host_inodes_lock is nested in none of them. */
#include "instance/fs/host_pages.h"

#include "instance/fs/host_call.h"
#include "instance/fs/mapped.h"
#include "instance/fs/tmpfs_pages.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/platform/platform.h"
#include "instance/string.h"

#include <errno.h>

#define NOT_CLOSED UINT64_MAX
#define EVICTIONS_MAX 8 /* for one page: other faults may take the frames that come free */

struct host_inode {
    struct list link;
    uint64_t references; /* under host_inodes_lock */
    uint64_t device, number;
    struct file_lock data_lock;
    struct spinlock pages_lock;
    struct tmpfs_pages pages;
    uint64_t changes;     /* of the host's bytes by this instance: a page fetched before is stale */
    uint64_t closed_from; /* from this page on, faults wait for data_lock; under both locks */
    uint64_t mappings, writable_mappings; /* under data_lock */
    struct file *_Atomic writer; /* held while there are writable mappings: written back through */
    _Atomic int error;           /* of a write-back that nobody was told of */
};

static struct spinlock host_inodes_lock;
static struct list host_inodes = {&host_inodes, &host_inodes};
static _Atomic uint64_t written; /* files with a writer */

/* --- Inodes ----------------------------------------------------------------------------------- */

/* host_inodes_lock is held. */
static struct host_inode *inode_find(uint64_t device, uint64_t number)
{
    for (struct list *at = host_inodes.next; at != &host_inodes; at = at->next) {
        struct host_inode *inode = LIST_ENTRY(at, struct host_inode, link);
        if (inode->device == device && inode->number == number) {
            inode->references++;
            return inode;
        }
    }
    return NULL;
}

struct host_inode *host_inode_get(uint64_t device, uint64_t number, bool make)
{
    struct host_inode *made = make ? kzalloc(sizeof(*made)) : NULL;
    spin_lock(&host_inodes_lock);
    struct host_inode *found = inode_find(device, number);
    if (found == NULL && made != NULL) {
        made->references = 1;
        made->device = device;
        made->number = number;
        made->closed_from = NOT_CLOSED;
        file_lock_init(&made->data_lock);
        list_append(&host_inodes, &made->link);
        found = made;
        made = NULL;
    }
    spin_unlock(&host_inodes_lock);
    kfree(made);
    return found;
}

void host_inode_put(struct host_inode *inode)
{
    if (inode == NULL)
        return;
    spin_lock(&host_inodes_lock);
    bool last = --inode->references == 0;
    if (last)
        list_remove(&inode->link);
    spin_unlock(&host_inodes_lock);
    if (last)
        kfree(inode); /* each mapping holds an open file: there is none, and no page */
}

/* --- Pages ------------------------------------------------------------------------------------ */

static uint8_t *page_bytes(uint64_t frame)
{
    return (uint8_t *)(platform_direct_base + frame);
}

static bool maps_inode(const struct area_file *mapped, const void *inode)
{
    return mapped_open_file(mapped)->data == inode;
}

/* Copies between `bytes` and the pages that are here for [offset, +length). pages_lock is held. */
static void copy_pages(struct host_inode *inode, uint8_t *bytes, uint64_t offset, uint64_t length,
                       bool to_pages)
{
    for (uint64_t done = 0; done < length;) {
        uint64_t inside = (offset + done) & (PAGE_SIZE - 1), piece = PAGE_SIZE - inside;
        uint64_t frame = tmpfs_pages_find(&inode->pages, (offset + done) >> PAGE_SHIFT);
        if (piece > length - done)
            piece = length - done;
        if (frame != 0 && to_pages)
            memcpy(page_bytes(frame) + inside, bytes + done, piece);
        else if (frame != 0)
            memcpy(bytes + done, page_bytes(frame) + inside, piece);
        done += piece;
    }
}

/* Zeros what lies behind `size` in its page. pages_lock is held. */
static void clear_tail(struct host_inode *inode, uint64_t size)
{
    uint64_t inside = size & (PAGE_SIZE - 1);
    uint64_t frame = inside != 0 ? tmpfs_pages_find(&inode->pages, size >> PAGE_SHIFT) : 0;
    if (frame != 0)
        memset(page_bytes(frame) + inside, 0, PAGE_SIZE - inside);
}

/* --- Writing back; data_lock is held to write --------------------------------------------------
 */

/* The next run of dirty pages from *first on, at most `limit` of them, marked clean: their number.
 */
static uint64_t take_dirty(struct host_inode *inode, uint64_t *first, uint64_t limit)
{
    uint64_t count = 0;
    spin_lock(&inode->pages_lock);
    uint64_t at = tmpfs_pages_next(&inode->pages, *first, false);
    while (at != UINT64_MAX && count < limit) {
        uint64_t frame = tmpfs_pages_find(&inode->pages, at);
        if (frame_mark(frame) == FRAME_MARK_DIRTY) {
            frame_set_mark(frame, FRAME_MARK_FILE);
            *first = count == 0 ? at : *first;
            count++;
        } else if (count != 0) {
            break;
        }
        uint64_t next = tmpfs_pages_next(&inode->pages, at + 1, false);
        if (count != 0 && next != at + 1)
            break;
        at = next;
    }
    spin_unlock(&inode->pages_lock);
    return count;
}

static void mark_dirty(struct host_inode *inode, uint64_t first, uint64_t count)
{
    spin_lock(&inode->pages_lock);
    for (uint64_t at = first; at < first + count; at++) {
        uint64_t frame = tmpfs_pages_find(&inode->pages, at);
        if (frame != 0)
            frame_set_mark(frame, FRAME_MARK_DIRTY);
    }
    spin_unlock(&inode->pages_lock);
}

/* Writes `count` pages from `first` on, which have just been marked clean. `size`: of the file on
 * the host: what is stored behind it in a mapping belongs to nobody. */
static int write_run(struct host_inode *inode, const struct file *writer, uint64_t first,
                     uint64_t count, uint64_t size, uint8_t *buffer)
{
    uint64_t offset = first << PAGE_SHIFT, length = count << PAGE_SHIFT;
    int error = space_forget_pages(maps_inode, inode, offset, offset + length);
    if (error != 0)
        return error;
    spin_lock(&inode->pages_lock);
    clear_tail(inode, size);
    copy_pages(inode, buffer, offset, length, false);
    spin_unlock(&inode->pages_lock);
    if (offset >= size)
        return 0;
    if (length > size - offset)
        length = size - offset;
    for (uint64_t done = 0; done < length;) {
        uint64_t at = offset + done;
        int64_t result = host_write_bytes(writer, buffer + done, length - done, &at, false);
        if (result <= 0)
            return result < 0 ? (int)result : -EIO;
        done += (uint64_t)result;
    }
    return 0;
}

static int write_back(struct host_inode *inode)
{
    const struct file *writer = atomic_load(&inode->writer);
    uint64_t first = 0, limit = HOST_PIECE / PAGE_SIZE, count, size;
    int error = 0;
    if (writer == NULL)
        return 0;
    uint8_t *buffer = kmalloc(HOST_PIECE);
    if (buffer == NULL) {
        limit = 1;
        buffer = kmalloc(PAGE_SIZE);
    }
    if (buffer == NULL)
        return -ENOMEM;
    count = take_dirty(inode, &first, limit);
    if (count != 0)
        error = host_file_size(writer, &size);
    while (count != 0 && error == 0) {
        error = write_run(inode, writer, first, count, size, buffer);
        if (error != 0)
            break;
        first += count;
        count = take_dirty(inode, &first, limit);
    }
    if (error != 0)
        mark_dirty(inode, first, count);
    kfree(buffer);
    return error;
}

/* Frees the clean pages from `first` on; faults wait, and no mapping has them any more. */
static void drop_clean(struct host_inode *inode, uint64_t first)
{
    spin_lock(&inode->pages_lock);
    inode->changes++;
    for (uint64_t at = tmpfs_pages_next(&inode->pages, first, false); at != UINT64_MAX;
         at = tmpfs_pages_next(&inode->pages, at + 1, false))
        if (frame_mark(tmpfs_pages_find(&inode->pages, at)) != FRAME_MARK_DIRTY)
            tmpfs_pages_drop(&inode->pages, at, at + 1);
    spin_unlock(&inode->pages_lock);
}

static void close_from(struct host_inode *inode, uint64_t first)
{
    spin_lock(&inode->pages_lock);
    inode->closed_from = first;
    spin_unlock(&inode->pages_lock);
}

/* Writes back, and gives up the pages from `first` on; faults wait there until close_from says
 * otherwise. 0, or an error: pages that could not be written back are still there. */
static int give_up(struct host_inode *inode, uint64_t first)
{
    close_from(inode, first);
    int error = write_back(inode);
    int failed = space_forget_pages(maps_inode, inode, first << PAGE_SHIFT, UINT64_MAX);
    if (failed == 0)
        drop_clean(inode, first);
    return error != 0 ? error : failed;
}

/* A frame, for which room is made: *error says why there is none. */
static uint64_t evict(struct host_inode *inode, int *error)
{
    file_lock_write(&inode->data_lock);
    *error = give_up(inode, 0);
    uint64_t frame = tmpfs_frame_alloc(); /* before the faults that have waited */
    if (frame != FRAME_NONE)
        *error = 0;
    else if (*error == 0)
        *error = -ENOMEM;
    close_from(inode, NOT_CLOSED);
    file_unlock_write(&inode->data_lock);
    return frame;
}

/* --- Faults ----------------------------------------------------------------------------------- */

/* Looks for a page: 1 when it is there. 0: not there, -EAGAIN: it must be waited for. */
static int look(struct host_inode *inode, uint64_t index, bool write, uint64_t *physical,
                uint64_t *changes)
{
    int result = 0;
    spin_lock(&inode->pages_lock);
    uint64_t frame = tmpfs_pages_find(&inode->pages, index);
    *changes = inode->changes;
    if (index >= inode->closed_from) {
        result = -EAGAIN;
    } else if (frame != 0) {
        if (write)
            frame_set_mark(frame, FRAME_MARK_DIRTY);
        *physical = frame;
        result = 1;
    }
    spin_unlock(&inode->pages_lock);
    return result;
}

/* Fetches a page into `frame` and puts it in, unless the file has changed since `changes`: then, or
 * when it is there already, -EAGAIN. Takes the frame over if 0. */
static int fetch(struct file *file, uint64_t index, uint64_t frame, uint64_t changes)
{
    struct host_inode *inode = file->data;
    uint64_t done = 0;
    while (done < PAGE_SIZE) {
        int64_t result = host_read_bytes(file, page_bytes(frame) + done, PAGE_SIZE - done,
                                         (index << PAGE_SHIFT) + done);
        if (result < 0)
            return (int)result;
        if (result == 0)
            break;
        done += (uint64_t)result;
    }
    if (done == 0)
        return -ENXIO;
    memset(page_bytes(frame) + done, 0, PAGE_SIZE - done);
    int error = -EAGAIN;
    spin_lock(&inode->pages_lock);
    if (inode->changes == changes && index < inode->closed_from &&
        tmpfs_pages_find(&inode->pages, index) == 0)
        error = tmpfs_pages_insert(&inode->pages, index, frame);
    spin_unlock(&inode->pages_lock);
    return error == -ENOSPC ? -ENOMEM : error;
}

/* Looks for the page, and fetches it into *frame if it is not there. 0: look again, -EAGAIN: others
 * change the file meanwhile, -ENOMEM: no frame, or another error. 1: *physical is set. */
static int look_or_fetch(struct file *file, uint64_t index, bool write, uint64_t *frame,
                         uint64_t *physical)
{
    uint64_t changes;
    int result = look(file->data, index, write, physical, &changes);
    if (result != 0)
        return result;
    if (*frame == FRAME_NONE)
        *frame = tmpfs_frame_alloc();
    if (*frame == FRAME_NONE)
        return -ENOMEM;
    result = fetch(file, index, *frame, changes);
    if (result == 0)
        *frame = FRAME_NONE;
    return result;
}

int host_pages_share(struct file *file, uint64_t offset, bool make, bool write, uint64_t *physical)
{
    struct host_inode *inode = file->data;
    uint64_t index = offset >> PAGE_SHIFT, changes;
    uint64_t frame = FRAME_NONE;
    unsigned evictions = 0;
    bool alone = false;
    int result;
    *physical = FRAME_NONE;
    if (!make) {
        look(inode, index, write, physical, &changes);
        return 0;
    }
    do {
        /* The second time with writes and cuts kept out, so that they cannot go on for ever. */
        if (alone)
            file_lock_read(&inode->data_lock);
        result = look_or_fetch(file, index, write, &frame, physical);
        if (alone)
            file_unlock_read(&inode->data_lock);
        alone = alone || result == -EAGAIN;
        if (result == -ENOMEM && evictions++ < EVICTIONS_MAX) {
            if (frame != FRAME_NONE) /* it was a table that there was no room for */
                tmpfs_frame_free(frame);
            frame = evict(inode, &result);
        }
    } while (result == 0 || result == -EAGAIN);
    if (frame != FRAME_NONE)
        tmpfs_frame_free(frame);
    return result < 0 ? result : 0;
}

/* Nobody is there to be told but who calls fsync later. */
static void report_loss(struct host_inode *inode, int error)
{
    atomic_store(&inode->error, error);
    log_error("what was stored in a shared mapping of a host's file is lost: error %d", -error);
}

int host_pages_map(struct file *file, bool writable, int by)
{
    struct host_inode *inode = file->data;
    struct file *writer = NULL;
    file_lock_write(&inode->data_lock);
    inode->mappings += (uint64_t)by;
    inode->writable_mappings += writable ? (uint64_t)by : 0;
    if (by > 0 && writable && atomic_load(&inode->writer) == NULL) {
        atomic_fetch_add(&file->references, 1);
        atomic_store(&inode->writer, file);
        atomic_fetch_add(&written, 1);
    }
    bool kept = false;
    if (by < 0 && writable && inode->writable_mappings == 0) {
        int error = write_back(inode);
        kept = error == -EINTR; /* killed: the end writes it back */
        if (error != 0 && !kept)
            report_loss(inode, error);
        if (!kept) {
            writer = atomic_exchange(&inode->writer, NULL);
            atomic_fetch_sub(&written, 1);
        }
    }
    if (inode->mappings == 0 && !kept) {
        spin_lock(&inode->pages_lock);
        inode->changes++;
        tmpfs_pages_drop(&inode->pages, 0, UINT64_MAX);
        spin_unlock(&inode->pages_lock);
    }
    file_unlock_write(&inode->data_lock);
    if (writer != NULL)
        file_put(writer);
    return 0;
}

/* --- Reading and writing ---------------------------------------------------------------------- */

bool host_pages_overlay(const struct host_inode *inode)
{
    return inode != NULL && atomic_load(&inode->writer) != NULL;
}

int64_t host_pages_read(const struct file *file, void *to, uint64_t length, uint64_t offset)
{
    struct host_inode *inode = file->data;
    file_lock_read(&inode->data_lock);
    int64_t result = host_read_bytes(file, to, length, offset);
    if (result > 0) {
        spin_lock(&inode->pages_lock);
        copy_pages(inode, to, offset, (uint64_t)result, false);
        spin_unlock(&inode->pages_lock);
    }
    file_unlock_read(&inode->data_lock);
    return result;
}

bool host_pages_write_begin(struct host_inode *inode)
{
    if (inode == NULL)
        return false;
    file_lock_read(&inode->data_lock);
    bool mapped = inode->mappings != 0;
    if (mapped)
        file_unlock_read(&inode->data_lock);
    return mapped;
}

void host_pages_write_end(struct host_inode *inode)
{
    if (inode != NULL)
        file_unlock_read(&inode->data_lock);
}

int64_t host_pages_write(const struct file *file, const void *from, uint64_t length,
                         uint64_t *offset, bool append)
{
    struct host_inode *inode = file->data;
    file_lock_write(&inode->data_lock);
    uint64_t size;
    int error = host_file_size(file, &size);
    int64_t result = error;
    if (error == 0 && append) /* what was stored in the last page must not go over it */
        result = error = give_up(inode, size >> PAGE_SHIFT);
    if (error == 0 && *offset > size) {
        /* The file grows: what a mapping stored behind its end is not to become part of it. */
        spin_lock(&inode->pages_lock);
        clear_tail(inode, size);
        spin_unlock(&inode->pages_lock);
    }
    if (error == 0)
        result = host_write_bytes(file, from, length, offset, append);
    if (append) {
        close_from(inode, NOT_CLOSED);
    } else if (result > 0) {
        spin_lock(&inode->pages_lock);
        inode->changes++;
        copy_pages(inode, (uint8_t *)from, *offset, (uint64_t)result, true);
        spin_unlock(&inode->pages_lock);
    }
    file_unlock_write(&inode->data_lock);
    return result;
}

void host_pages_cut_begin(struct host_inode *inode, uint64_t from)
{
    if (inode == NULL)
        return;
    file_lock_write(&inode->data_lock);
    if (inode->mappings == 0)
        return;
    close_from(inode, from >> PAGE_SHIFT);
    int error = write_back(inode);
    if (error != 0)
        atomic_store(&inode->error, error);
}

void host_pages_cut_end(struct host_inode *inode, bool done, uint64_t size)
{
    if (inode == NULL)
        return;
    uint64_t first = inode->closed_from;
    if (first != NOT_CLOSED && done &&
        space_forget_pages(maps_inode, inode, first << PAGE_SHIFT, UINT64_MAX) == 0) {
        drop_clean(inode, first);
        if (size <= INT64_MAX) { /* what could not be written back is cut off all the same */
            spin_lock(&inode->pages_lock);
            tmpfs_pages_drop(&inode->pages, (size + PAGE_SIZE - 1) >> PAGE_SHIFT, UINT64_MAX);
            clear_tail(inode, size);
            spin_unlock(&inode->pages_lock);
        }
    }
    close_from(inode, NOT_CLOSED);
    file_unlock_write(&inode->data_lock);
}

/* --- Write-back on demand --------------------------------------------------------------------- */

int host_pages_flush(struct host_inode *inode)
{
    if (inode == NULL)
        return 0;
    int error = 0;
    if (atomic_load(&inode->writer) != NULL) {
        file_lock_write(&inode->data_lock);
        error = write_back(inode);
        file_unlock_write(&inode->data_lock);
    }
    int former = atomic_exchange(&inode->error, 0);
    return error != 0 ? error : former;
}

void host_pages_flush_quietly(struct host_inode *inode)
{
    int error = host_pages_flush(inode);
    if (error != 0)
        atomic_store(&inode->error, error);
}

/* The inode after `former` (which is put; NULL: the first), held; NULL: there are no more. */
static struct host_inode *inode_next(struct host_inode *former)
{
    spin_lock(&host_inodes_lock);
    struct list *at = former != NULL ? former->link.next : host_inodes.next;
    struct host_inode *next = NULL;
    if (at != &host_inodes) {
        next = LIST_ENTRY(at, struct host_inode, link);
        next->references++;
    }
    spin_unlock(&host_inodes_lock);
    host_inode_put(former);
    return next;
}

bool host_pages_pending(void)
{
    return atomic_load(&written) != 0;
}

void host_pages_write_back(uint64_t deadline)
{
    for (struct host_inode *inode = inode_next(NULL); inode != NULL; inode = inode_next(inode)) {
        uint64_t now = platform_monotonic_ns(), limit = 0;
        if (atomic_load(&inode->writer) == NULL)
            continue;
        if (deadline != 0) { /* a file that hangs leaves the others half of the time */
            limit = now < deadline ? now + (deadline - now) / 2 : deadline;
            host_call_limit(limit);
        }
        int error = -ETIMEDOUT;
        if (file_lock_write_until(&inode->data_lock, limit)) {
            error = write_back(inode);
            file_unlock_write(&inode->data_lock);
        }
        if (error != 0 && deadline != 0)
            report_loss(inode, error);
        else if (error != 0)
            atomic_store(&inode->error, error);
    }
}

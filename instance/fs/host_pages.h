/* Pages of the host's files that shared mappings of this instance show: see host_pages.c. Between
 * host_files.c and it. All calls may sleep; those with `inode` take NULL where that is said. */
#ifndef INSTANCE_FS_HOST_PAGES_H
#define INSTANCE_FS_HOST_PAGES_H

#include "instance/fs/vfs.h"

struct host_inode;

/* --- host_pages.c ------------------------------------------------------------------------------
 */

/* What stands for one regular file of the host, by whatever names it is open, held; made if `make`
 * is set. NULL: none there, or no memory. */
struct host_inode *host_inode_get(uint64_t device, uint64_t number, bool make);
void host_inode_put(struct host_inode *inode);

/* The vfs operations of the same names; file->data is the inode. */
int host_pages_share(struct file *file, uint64_t offset, bool make, bool write, uint64_t *physical);
int host_pages_map(struct file *file, bool writable, int by);

/* Does this file have pages here that the host's storage may not have? Then it is read by
 * host_pages_read. NULL: no. */
bool host_pages_overlay(const struct host_inode *inode);
/* Reads into kernel memory, as host_read_bytes. */
int64_t host_pages_read(const struct file *file, void *to, uint64_t length, uint64_t offset);

/* Begins a write: true: the file is mapped, and host_pages_write is to be used; false: it is not,
 * and cannot be until host_pages_write_end. */
bool host_pages_write_begin(struct host_inode *inode);
void host_pages_write_end(struct host_inode *inode);
/* Writes kernel memory to the host and the pages, as host_write_bytes. */
int64_t host_pages_write(const struct file *file, const void *from, uint64_t length,
                         uint64_t *offset, bool append);

/* Around a change of the file's length or holes on the host (inode may be NULL): begin writes back
 * and keeps faults from `from` (bytes) on waiting; end forgets the pages there if it was `done`.
 * `size`: the new length, or UINT64_MAX: as it was. */
void host_pages_cut_begin(struct host_inode *inode, uint64_t from);
void host_pages_cut_end(struct host_inode *inode, bool done, uint64_t size);

/* Writes back what mappings have changed (inode may be NULL). 0, or the host's error; also that of
 * an earlier write-back which nobody was told of. */
int host_pages_flush(struct host_inode *inode);
/* The same where nobody is there to be told: a later flush tells. */
void host_pages_flush_quietly(struct host_inode *inode);

/* --- host_files.c ------------------------------------------------------------------------------
 */

/* Bytes of an open file of the host, to and from kernel memory, in one request each: how many there
 * were, 0 at the end, or an error. At most HOST_PIECE. */
#define HOST_PIECE (UINT64_C(128) << 10)
int64_t host_read_bytes(const struct file *file, void *to, uint64_t length, uint64_t offset);
/* Sets *offset to where the bytes went. */
int64_t host_write_bytes(const struct file *file, const void *from, uint64_t length,
                         uint64_t *offset, bool append);
int host_file_size(const struct file *file, uint64_t *size);

#endif

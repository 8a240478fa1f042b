/* The program's address space: areas (mmap, brk, the ELF's segments, stack), demand paging,
 * protection. One per instance. All calls may be made from any thread and may sleep; none may be
 * made with a spinlock held, from an interrupt, or between thread_prepare_wait and thread_wait.
 * Addresses and lengths are bytes; protections are Linux's PROT_*, flags MAP_*. Errors are negative
 * errno values, as Linux gives them for the same call. */
#ifndef INSTANCE_MM_SPACE_H
#define INSTANCE_MM_SPACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file that areas are mapped from: its pages are fetched one by one, by calls that may sleep and
 * are made without the address space's lock. Held by each area, and by faults under way. */
struct area_file {
    _Atomic uint32_t references;
    struct area_file *next; /* once nobody holds it */
    /* Copies the page at `offset`, zeros behind the end. 0, or -ENXIO (wholly behind the end) or
     * another error: SIGBUS. */
    int (*read_page)(struct area_file *file, uint64_t offset, void *to);
    void (*release)(struct area_file *file); /* may sleep */
    /* Of a shared mapping: the frame of the page at `offset` itself, which stays the file's; or
     * NULL: pages are copies. With `make` it is made if it is a hole, which may sleep; without, it
     * is only looked for (FRAME_NONE in *physical: not there), with the address space's lock held.
     * `write`: the program is about to write it. 0, or as read_page. */
    int (*share_page)(struct area_file *file, uint64_t offset, bool make, bool write,
                      uint64_t *physical);
    /* What has been written through it reaches the file's storage: msync. NULL: nothing to do. */
    int (*sync)(struct area_file *file);
    bool read_only; /* a shared mapping that mprotect must not make writable */
    /* share_page is told of the first write to each page, and of the next one after
     * space_forget_pages: pages that were only read are mapped to be read. */
    bool tracks_writes;
};

/* What an area's pages are filled from when first touched. */
struct area_source {
    const uint8_t *bytes; /* kernel-readable file image (a program in the lagoon), or NULL: zeros */
    uint64_t size;        /* bytes there; pages wholly behind it are zero-filled */
    uint64_t physical; /* of bytes[0] if pages may be mapped in place read-only; else UINT64_MAX */
    struct area_file *file; /* not NULL: it is asked for the pages; `bytes` is then its address, as
                               a mark only, `size` UINT64_MAX and `physical` too */
};

/* A source over `file`, whose reference space_map takes over if it succeeds. */
static inline struct area_source area_source_of(struct area_file *file)
{
    return (struct area_source){(const uint8_t *)file, UINT64_MAX, UINT64_MAX, file};
}
/* Gives up a reference; NULL is fine. The release itself is space_release_files's. */
void area_file_put(struct area_file *file);
/* Releases files that no area holds any more. After calls that may have unmapped, without locks. */
void space_release_files(void);

int space_init(void);

/* mmap with a source. `source` may be NULL (anonymous). `offset`: of the area's start in the
 * source, a multiple of PAGE_SIZE or, for a source that is not mapped in place, any. The source's
 * bytes and `name` must stay for ever. Writable memory is counted against the partition and may get
 * -ENOMEM, unless it is MAP_NORESERVE or MAP_STACK: stacks are to be mapped so. Returns the address
 * or a negative errno value. */
int64_t space_map(uint64_t address, uint64_t length, int protection, int flags,
                  const struct area_source *source, uint64_t offset, const char *name);
int space_unmap(uint64_t address, uint64_t length);
/* Takes the pages [from, to) (bytes) of files for which `matches` away from all shared mappings:
 * the next touch asks the file again. 0, or -ENOMEM. `matches` must not sleep. */
int space_forget_pages(bool (*matches)(const struct area_file *file, const void *context),
                       const void *context, uint64_t from, uint64_t to);
int space_protect(uint64_t address, uint64_t length, int protection);
int64_t space_remap(uint64_t address, uint64_t old_length, uint64_t new_length, int flags,
                    uint64_t new_address);
int space_advise(uint64_t address, uint64_t length, int advice);
int space_mincore(uint64_t address, uint64_t length, uint8_t *vector); /* vector: kernel memory */
/* What has been written through the shared mappings in [address, +length) reaches its files. 0 or
 * the first error of one. */
int space_sync(uint64_t address, uint64_t length);
/* Is every page of [address, +length) in some area? */
bool space_is_mapped(uint64_t address, uint64_t length);
/* mlock: makes the range present; nothing is ever taken from memory, so it stays. munlock is then
 * space_is_mapped. -ENOMEM: holes, or not enough memory (checked before any page is brought in). */
int space_lock(uint64_t address, uint64_t length);
/* mlockall with MCL_*, and munlockall with 0: all of the present areas, and/or all to come. */
int space_lock_all(int flags);
uint64_t space_brk(uint64_t address);       /* as the raw system call: returns the break */
void space_set_brk_start(uint64_t address); /* end of the program's data, for the loader */

enum space_fault {
    SPACE_FAULT_READ = 1,
    SPACE_FAULT_WRITE = 2,
    SPACE_FAULT_EXECUTE = 4,
    SPACE_FAULT_OWN = 8, /* not the program's: the kernel wants to write a page that the program may
                            only read, so it has to be the program's own and not the file's */
    SPACE_FAULT_FRAME = 16, /* with READ: others shall read it where it lies, so it has to be a
                               frame of the partition; a shared file's own page is one */
};

/* Bytes that are neither in use nor promised to the program. */
uint64_t space_available(void);

/* A page fault at `address`. Returns 0: mapped, try again; -EFAULT: no area there (SIGSEGV,
 * SEGV_MAPERR); -EACCES: the area forbids it (SEGV_ACCERR); -ENOMEM: the partition is full;
 * -ENXIO: the mapped file has no such page (SIGBUS); -EINTR: a signal that kills has come. */
int space_handle_fault(uint64_t address, enum space_fault access);

/* Makes [address, +length) present with the given access ahead of use. 0 or as above. */
int space_populate(uint64_t address, uint64_t length, enum space_fault access);

/* A piece of the partition. */
struct space_extent {
    uint64_t physical, length;
};

/* From now on the mapping generation is kept in *word (of the own section), from 1 on. Called once,
 * after space_init. It grows before any page that space_share has told of goes elsewhere or is
 * taken away, or may not be read any more. */
void space_publish_sharing(_Atomic uint64_t *word);

/* Where the memory at [address, +length), multiples of PAGE_SIZE, lies in the partition, in at most
 * `capacity` extents: *count of them, which describe *covered bytes from `address` on (more than 0,
 * but perhaps not all: ask again for the rest). It holds as long as the mapping generation is
 * *generation. Pages are made present for it, and those of a file that were mapped in place become
 * the program's own. 0; -EINVAL; -EFAULT, -EACCES, -ENOMEM and -ENXIO of the first page, as
 * space_handle_fault. */
int space_share(uint64_t address, uint64_t length, struct space_extent *extents, size_t capacity,
                size_t *count, uint64_t *covered, uint64_t *generation);

/* Calls `visit` for each area in ascending order (for /proc/self/maps); stops when it returns
 * false. */
struct space_area {
    uint64_t start, end;
    int protection, flags;
    uint64_t offset;
    const char *name; /* or NULL */
};
void space_visit(bool (*visit)(const struct space_area *area, void *context), void *context);

#endif

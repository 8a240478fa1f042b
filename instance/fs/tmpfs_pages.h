/* The pages of a file in memory: a tree of 512-entry tables over page frames, as deep as the file's
 * highest page needs; what is missing is a hole. All files together may take half of the
 * partition. Callers serialise calls on one tree. */
#ifndef INSTANCE_FS_TMPFS_PAGES_H
#define INSTANCE_FS_TMPFS_PAGES_H

#include <stdbool.h>
#include <stdint.h>

struct tmpfs_pages {
    uint64_t root; /* physical address of the top table, or (height 0) of the only page; 0: none */
    unsigned height; /* levels of tables */
    uint64_t count;  /* pages there, tables not counted */
};

/* The frame of page `index`, or 0: a hole. */
uint64_t tmpfs_pages_find(const struct tmpfs_pages *pages, uint64_t index);

/* A cleared frame, on the account of all files; FRAME_NONE: the limit, or the partition, is full.
 * Takes the address space's lock. */
uint64_t tmpfs_frame_alloc(void);
void tmpfs_frame_free(uint64_t frame);

/* Puts a frame at a hole. 0 or -ENOSPC. */
int tmpfs_pages_insert(struct tmpfs_pages *pages, uint64_t index, uint64_t frame);

/* Frees all pages from `first` up to `end`, and the tables that become empty. */
void tmpfs_pages_drop(struct tmpfs_pages *pages, uint64_t first, uint64_t end);

/* The first page at or behind `index` that is there (or, if `hole`, that is not): UINT64_MAX: none.
 */
uint64_t tmpfs_pages_next(const struct tmpfs_pages *pages, uint64_t index, bool hole);

/* In pages: the limit, and what is taken. */
uint64_t tmpfs_pages_limit(void);
uint64_t tmpfs_pages_used(void);

#endif

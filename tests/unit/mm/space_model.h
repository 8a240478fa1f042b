/* A model of the address space that knows each page by itself, and the checks of the real one
 * against it. All mappings of a test must lie in the model's two windows: one for fixed addresses,
 * one below the top of what the kernel chooses. */
#ifndef TESTS_UNIT_MM_SPACE_MODEL_H
#define TESTS_UNIT_MM_SPACE_MODEL_H

#include "partition.h"

#include <linux/mman.h>

#define LOW_START UINT64_C(0x10000000)
#define LOW_PAGES 512
#define TOP_PAGES 2048
#define TOP_END (UINT64_C(0x7fffffe00000) - (UINT64_C(128) << 20))
#define TOP_START (TOP_END - TOP_PAGES * PAGE_SIZE)
#define MODEL_PAGES (LOW_PAGES + TOP_PAGES)

#define FILE_BYTES (24 * PAGE_SIZE + 1234) /* ends inside a page */

struct model_page {
    bool mapped;
    bool shared;
    bool file;       /* of the file: what it holds before the first write */
    uint64_t offset; /* of the page in the file */
    int protection;
    bool written;  /* since it is there, or since it was dropped */
    uint8_t value; /* if so, of the byte at model_byte(page) */
};
extern struct model_page model[MODEL_PAGES];

/* Starts a partition of `size` bytes with the file behind it. */
void model_create(uint64_t size);

uint64_t model_address(size_t index);
/* The index of the page at an address of a window, or MODEL_PAGES. */
size_t model_index(uint64_t address);
/* Is [address, +pages) inside one window? */
bool model_in_window(uint64_t address, uint64_t pages);
/* Are all (any) of the pages mapped? Addresses outside the windows count as not mapped. */
bool model_all_mapped(uint64_t address, uint64_t pages);
bool model_any_mapped(uint64_t address, uint64_t pages);
/* The highest address in the top window where `pages` pages are free, or 0. */
uint64_t model_place(uint64_t pages);

void model_map(uint64_t address, uint64_t pages, int protection, bool shared);
void model_unmap(uint64_t address, uint64_t pages);
void model_move(uint64_t from, uint64_t to, uint64_t pages);

/* The file, and what it holds at an offset (0 behind its end). */
struct area_source model_file(bool in_place);
uint8_t model_file_byte(uint64_t offset);

/* Makes one access to a page, in both worlds, and compares. Returns the error. */
int model_access(size_t index, enum space_fault access);

/* Compares areas and contents of all pages, and the kernel's own accounts with a recount. */
void model_check_areas(void);
void model_check_contents(void);

#endif

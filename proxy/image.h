/* The image: all that the boot loader needs to start a machine, packed for section 0 of the lagoon.
 *
 *   at_offset   machine table, its entries, core lists, argument and environment strings
 *   + pages     the kernel's ELF file
 *   + pages     each program's ELF file, once however many instances run it
 *
 * Files start at page boundaries and are followed by zeros to the next one, so that their pages can
 * be mapped in place and a program sees zeros behind its last byte, as on Linux. */
#ifndef PROXY_IMAGE_H
#define PROXY_IMAGE_H

#include "proxy/config.h"
#include "proxy/file.h"

#define IMAGE_ALIGNMENT 4096 /* of at_offset, in the lagoon */

struct image_file {
    struct file_content content;
    uint64_t offset; /* from the image's start, a multiple of IMAGE_ALIGNMENT */
};

struct image {
    uint64_t bytes;                   /* in all, a multiple of IMAGE_ALIGNMENT */
    struct machine_table table;       /* offsets in these three count from the image's start */
    struct machine_instance *entries; /* [table.instances] */
    uint8_t *details;                 /* core lists and strings, straight behind the entries */
    uint64_t details_size;
    struct image_file *files; /* [0] is the kernel */
    size_t file_count;
};

/* Reads the kernel and the programs of a machine that config_check has passed, and lays out the
 * image. Programs are checked once more, in the very bytes that will run. Returns 0, or -1 with a
 * line about the file on `err`; then nothing needs freeing. */
int image_load(struct image *image, const struct machine_config *machine,
               const struct run_options *options, FILE *err);

/* Room that image_write needs. */
uint64_t image_bytes(const struct image *image);

/* Writes the image to lagoon_base + at_offset, every byte of image_bytes() of it, and says in
 * *table where the machine table lies (offset from the lagoon's start). `at_offset` is a multiple
 * of IMAGE_ALIGNMENT. May be called again, for another lagoon. */
void image_write(const struct image *image, uint8_t *lagoon_base, uint64_t at_offset,
                 struct machine_extent *table);

void image_free(struct image *image);

#endif

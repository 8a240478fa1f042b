/* The host's end of the lagoon: makes the memory, lays out the sections, and holds the proxy's own
 * section 0 with its header, the machine table and the images. */
#ifndef PROXY_LAGOON_HOST_H
#define PROXY_LAGOON_HOST_H

#include "shm/heap.h"
#include "shm/lagoon.h"

#include <stdio.h>

#define LAGOON_INSTANCE_SIZE (UINT64_C(4) << 20) /* bytes of an instance's section, at least */
#define LAGOON_INSTANCE_HEAP (UINT64_C(2) << 20) /* of which bulk memory, at least */
#define LAGOON_PROXY_HEAP (UINT64_C(4) << 20) /* bulk memory of section 0 for channels and data */
#define LAGOON_LOG_SIZE (UINT64_C(64) << 10)  /* bytes of a section's log ring */
#define LAGOON_IMAGE_ALIGNMENT 4096           /* of the image in section 0 */

struct lagoon_host {
    int fd;        /* memfd, sealed in size */
    uint8_t *base; /* of the whole lagoon, mapped shared */
    uint64_t size; /* bytes, a power of two */
    uint32_t peers;
    struct shm_header *header;
    struct shm_extent *extents;
    uint64_t image_offset, image_size; /* room for the machine table and the images */
    struct shm_section *section;       /* the proxy's own; NULL until lagoon_publish */
    struct shm_view view;
    struct shm_heap *heap; /* of section 0 */
    void *heap_memory;
    struct shm_verdict *verdicts; /* [peers], in section 0 */
};

/* Makes the lagoon for `instances` instances on `cores` cores, with `image_size` bytes of room for
 * the image in section 0 and sections of at least `section` bytes (0: the usual) for instances.
 * Returns 0, or a negative errno value with a line about it on `err`; then nothing needs closing.
 */
int lagoon_create(struct lagoon_host *lagoon, uint32_t instances, uint32_t cores,
                  uint64_t image_size, uint64_t section, FILE *err);

/* Once the image lies at base + image_offset: makes section 0 and completes the header. `table` is
 * where the machine table is, `table_size` its bytes, `tsc_hz` as in the header. Returns 0, or a
 * negative errno value with a line on `err`. */
int lagoon_publish(struct lagoon_host *lagoon, uint64_t table_offset, uint64_t table_size,
                   uint64_t tsc_hz, FILE *err);

/* The boot loader's report, or NULL while it has not made its section. */
const struct shm_boot *lagoon_boot(const struct lagoon_host *lagoon);

void lagoon_close(struct lagoon_host *lagoon);

#endif

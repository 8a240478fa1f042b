/* Makes the lagoon. The memory file is sealed in size before anyone else gets it, so that no peer
 * can shrink it under the others' feet (they would die of SIGBUS). */
#include "proxy/lagoon_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LAGOON_LOADER_LOG 4096 /* bytes, more than the loader asks for */
#define LAGOON_SECTION_STEP (UINT64_C(2) << 20)
#define PROXY_GENERATION 1 /* section 0 lives as long as its lagoon */

static uint64_t round_up(uint64_t value, uint64_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* Bytes in front of section 0's struct shm_section: header, extents, image. */
static uint64_t front_size(const struct lagoon_host *lagoon)
{
    return round_up(lagoon->image_offset + lagoon->image_size, SHM_LINE);
}

static int refuse(FILE *err, const char *what, uint64_t size, int error)
{
    fprintf(err, "atoll: cannot make the lagoon: %s of %llu bytes of shared memory: %s%s\n", what,
            (unsigned long long)size, strerror(error),
            error == EFBIG    ? "; the limit of a file's size (ulimit -f) holds for it too"
            : error == ENOMEM ? "; with vm.overcommit_memory at 2 the host counts all of it from "
                                "the start (CommitLimit in /proc/meminfo)"
                              : "");
    return -error;
}

int lagoon_create(struct lagoon_host *lagoon, uint32_t instances, uint32_t cores,
                  uint64_t image_size, uint64_t section, FILE *err)
{
    uint32_t peers = instances + 2;
    uint64_t extents_end = sizeof(struct shm_header) + peers * sizeof(struct shm_extent);
    uint64_t proxy_size, instance_size, loader_size, end = 0;
    int error;

    memset(lagoon, 0, sizeof(*lagoon));
    lagoon->fd = -1;
    lagoon->peers = peers;
    lagoon->image_offset = round_up(extents_end, LAGOON_IMAGE_ALIGNMENT);
    lagoon->image_size = image_size;

    proxy_size = round_up(front_size(lagoon), SHM_PAGE) +
                 shm_section_size(peers, 0, 4096, LAGOON_PROXY_HEAP);
    instance_size = shm_section_size(peers, cores, LAGOON_LOG_SIZE, LAGOON_INSTANCE_HEAP);
    if (instance_size < LAGOON_INSTANCE_SIZE)
        instance_size = LAGOON_INSTANCE_SIZE;
    if (instance_size < section)
        instance_size = section;
    /* So that instances map them by large pages. */
    proxy_size = round_up(proxy_size, LAGOON_SECTION_STEP);
    instance_size = round_up(instance_size, LAGOON_SECTION_STEP);
    loader_size = shm_section_size(peers, cores, LAGOON_LOADER_LOG, SHM_PAGE);
    end = proxy_size + instances * instance_size + loader_size;
    /* A power of two, because it is a PCI base address register's size. Only touched pages take
     * memory. */
    for (lagoon->size = SHM_PAGE; lagoon->size < end; lagoon->size *= 2)
        ;

    lagoon->fd = memfd_create("atoll-lagoon", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (lagoon->fd < 0)
        return refuse(err, "memfd_create", lagoon->size, errno);
    if (ftruncate(lagoon->fd, (off_t)lagoon->size) ||
        fcntl(lagoon->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        error = refuse(err, "allocation", lagoon->size, errno);
        goto fail;
    }
    lagoon->base = mmap(NULL, lagoon->size, PROT_READ | PROT_WRITE, MAP_SHARED, lagoon->fd, 0);
    if (lagoon->base == MAP_FAILED) {
        lagoon->base = NULL;
        error = refuse(err, "mapping", lagoon->size, errno);
        goto fail;
    }

    lagoon->header = (struct shm_header *)lagoon->base;
    lagoon->extents = (struct shm_extent *)(lagoon->base + sizeof(struct shm_header));
    lagoon->extents[0] = (struct shm_extent){0, proxy_size};
    for (uint32_t i = 1; i <= instances; i++)
        lagoon->extents[i] =
            (struct shm_extent){proxy_size + (i - 1) * instance_size, instance_size};
    lagoon->extents[peers - 1] =
        (struct shm_extent){proxy_size + instances * instance_size, loader_size};
    return 0;
fail:
    lagoon_close(lagoon);
    return error;
}

int lagoon_publish(struct lagoon_host *lagoon, uint64_t table_offset, uint64_t table_size,
                   uint64_t tsc_hz, FILE *err)
{
    uint64_t overhead, bytes;
    const char *why = NULL;

    lagoon->section = shm_section_create(lagoon->base, lagoon->extents[0].size, front_size(lagoon),
                                         SHM_PEER_PROXY, lagoon->peers, 0, 4096, PROXY_GENERATION);
    if (!lagoon->section) {
        fprintf(err, "atoll: cannot make the lagoon: its first section has no room\n");
        return -ENOMEM;
    }
    lagoon->header->version = SHM_LAYOUT_VERSION;
    lagoon->header->peers = lagoon->peers;
    lagoon->header->size = lagoon->size;
    lagoon->header->sections_offset = sizeof(struct shm_header);
    lagoon->header->machine_offset = table_offset;
    lagoon->header->machine_size = table_size;
    lagoon->header->tsc_hz = tsc_hz;
    lagoon->header->section0_offset = (uint64_t)((uint8_t *)lagoon->section - lagoon->base);
    lagoon->header->magic = SHM_LAGOON_MAGIC;

    if (shm_view_open(&lagoon->view, lagoon->base, lagoon->size, SHM_PEER_PROXY, &why)) {
        fprintf(err, "atoll: cannot make the lagoon: %s\n", why ? why : "its header is not sound");
        return -EPROTO;
    }
    overhead = shm_heap_overhead(lagoon->section->heap_size);
    lagoon->heap_memory = aligned_alloc(64, round_up(overhead, 64));
    if (!lagoon->heap_memory) {
        fprintf(err, "atoll: out of memory\n");
        return -ENOMEM;
    }
    lagoon->heap = shm_heap_init(lagoon->heap_memory, lagoon->section->heap_offset,
                                 lagoon->section->heap_size);
    bytes = lagoon->peers * sizeof(struct shm_verdict);
    lagoon->header->verdicts_offset = shm_heap_alloc(lagoon->heap, bytes, SHM_LINE);
    lagoon->verdicts = (struct shm_verdict *)(lagoon->base + lagoon->header->verdicts_offset);
    memset(lagoon->verdicts, 0, bytes);
    return 0;
}

const struct shm_boot *lagoon_boot(const struct lagoon_host *lagoon)
{
    /* Checked against the extent by shm_view_section; the loader's section has room behind it. */
    return shm_view_section(&lagoon->view, lagoon->peers - 1, NULL)
               ? shm_view_bytes(&lagoon->view, lagoon->peers - 1, sizeof(struct shm_section),
                                sizeof(struct shm_boot))
               : NULL;
}

void lagoon_close(struct lagoon_host *lagoon)
{
    free(lagoon->heap_memory);
    if (lagoon->base)
        munmap(lagoon->base, lagoon->size);
    if (lagoon->fd >= 0)
        close(lagoon->fd);
    memset(lagoon, 0, sizeof(*lagoon));
    lagoon->fd = -1;
}

/* The machine table (abi/machine.h), checked before any of it is used: it comes from the proxy of
 * the same build, but a loader that trusts a length is a loader that crashes without a word. */
#include "boot/loader.h"

#include "abi/build_id.h"

#include <string.h>

static const uint8_t build_id[20] = ATOLL_BUILD_ID_BYTES;

const void *table_bytes(struct machine_extent extent)
{
    if (extent.offset > loader.lagoon_size || extent.size > loader.lagoon_size - extent.offset)
        loader_fail("machine table: %lu bytes at %lx lie outside the lagoon of %lu bytes",
                    extent.size, extent.offset, loader.lagoon_size);
    return (const void *)(loader.lagoon + extent.offset);
}

static void open_lagoon(void)
{
    const char *why = NULL;
    const struct shm_header *header = (const struct shm_header *)loader.lagoon;
    if (shm_view_open(&loader.view, (void *)loader.lagoon, loader.lagoon_size, 0, &why))
        loader_fail("the lagoon is not sound: %s", why);
    uint32_t self = loader.view.self = loader.view.peers - 1;
    const struct shm_extent *extent = &loader.view.extents[self];
    struct shm_section *section =
        shm_section_create((void *)(loader.lagoon + extent->offset), extent->size, 0, self,
                           loader.view.peers, 1, PAGE, 1);
    if (!section || section->heap_size < sizeof(struct shm_boot))
        loader_fail("the loader's section of %lu bytes is too small", extent->size);
    loader.boot = (struct shm_boot *)(section + 1);
    loader.clock.tsc_hz = header->tsc_hz;
    if (loader.clock.tsc_hz < 100000000)
        loader_fail("impossible time-stamp counter rate %lu Hz", loader.clock.tsc_hz);
}

void table_check(void)
{
    open_lagoon();
    const struct shm_header *header = (const struct shm_header *)loader.lagoon;
    const struct machine_table *table =
        table_bytes((struct machine_extent){header->machine_offset, header->machine_size});
    if (header->machine_size < sizeof *table || table->magic != MACHINE_MAGIC ||
        table->version != MACHINE_VERSION || table->size != sizeof *table)
        loader_fail("machine table of version %u and %u bytes, this loader reads version %u",
                    table->version, table->size, MACHINE_VERSION);
    if (memcmp(table->build_id, build_id, sizeof build_id) != 0)
        loader_fail("the atoll command and the boot loader are not of one build");
    if (!table->instances || table->instances != loader.view.peers - 2 ||
        table->entries.size != table->instances * sizeof(struct machine_instance))
        loader_fail("machine table: %u instances in a lagoon of %u peers", table->instances,
                    loader.view.peers);
    table_bytes(table->kernel);
    loader.entries = table_bytes(table->entries);
    for (uint32_t i = 0; i < table->instances; i++) {
        const struct machine_instance *entry = &loader.entries[i];
        table_bytes(entry->cores);
        table_bytes(entry->program);
        table_bytes(entry->arguments);
        table_bytes(entry->environment);
        if (!memchr(entry->name, 0, sizeof entry->name))
            loader_fail("machine table: the name of instance %u does not end", i + 1);
        if (!entry->cores.size || entry->cores.size % sizeof(uint32_t) || !entry->generation)
            loader_fail("machine table: instance %s has no cores or no generation", entry->name);
        if (entry->job > table->instances || entry->reserved)
            loader_fail("machine table: instance %s is of job %u, there are at most %u",
                        entry->name, entry->job, table->instances);
        if (entry->memory % LARGE_PAGE || entry->memory < 2 * LARGE_PAGE)
            loader_fail("machine table: instance %s has %lu bytes of memory, not a multiple of "
                        "2 MiB from 4 MiB on",
                        entry->name, entry->memory);
    }
    loader.table = table;
}

/* The lagoon's layout: laying out the own section, and checked views of the others'.
 * Used by every peer, the boot loader included. Nothing here waits; nothing that another peer has
 * written is trusted, and what is checked is the copy that was loaded once. */
#include "shm/lagoon.h"

#include "shm/fence.h"

#include <errno.h>
#include <string.h>

#define LOG_MAX (UINT64_C(1) << 40) /* bytes; keeps the sums below from overflowing */
#define CORES_MAX (UINT32_C(1) << 20)
#define PEERS_MAX (UINT32_C(1) << 20)

static uint64_t round_up(uint64_t value, uint64_t multiple)
{
    return (value + multiple - 1) & ~(multiple - 1);
}

/* Where the parts of a section lie, in bytes from its extent's start. */
struct section_layout {
    uint64_t section, ports, heartbeats, log, heap;
};

/* Returns false when an argument is out of range. `boot`: with room for a struct shm_boot. */
static bool layout_section(struct section_layout *layout, uint64_t front, uint32_t peers,
                           uint32_t cores, uint64_t log, bool boot)
{
    if (front > LOG_MAX || peers > PEERS_MAX || cores > CORES_MAX || log > LOG_MAX ||
        (log & (log - 1)) != 0)
        return false;
    layout->section = round_up(front, SHM_LINE);
    layout->ports = layout->section + sizeof(struct shm_section);
    if (boot)
        layout->ports = round_up(layout->ports + sizeof(struct shm_boot), SHM_LINE);
    layout->heartbeats = layout->ports + (uint64_t)peers * sizeof(struct shm_port);
    layout->log = layout->heartbeats + (uint64_t)cores * sizeof(struct shm_heartbeat);
    layout->heap = round_up(layout->log + sizeof(struct shm_log) + log, SHM_PAGE);
    return true;
}

uint64_t shm_section_size(uint32_t peers, uint32_t cores, uint64_t log, uint64_t heap)
{
    struct section_layout layout;
    if (!layout_section(&layout, 0, peers, cores, log, true) || heap > UINT64_MAX / 2)
        return 0;
    return layout.heap + round_up(heap, SHM_PAGE);
}

struct shm_section *shm_section_create(void *base, uint64_t size, uint64_t front, uint32_t peer,
                                       uint32_t peers, uint32_t cores, uint64_t log,
                                       uint64_t generation)
{
    struct section_layout layout;
    uint8_t *bytes = base;
    if (peer >= peers || generation == 0 ||
        !layout_section(&layout, front, peers, cores, log, peer == peers - 1) || layout.heap > size)
        return NULL;

    /* Whoever still reads a former generation must see it withdrawn, and its rings, before the
     * memory that it reads turns to something else; see the end of shm_ring_receive. */
    struct shm_section *section = (struct shm_section *)(bytes + layout.section);
    struct shm_port *ports = (struct shm_port *)(bytes + layout.ports);
    atomic_store_explicit(&section->generation, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < peers; i++)
        atomic_store_explicit(&ports[i].ring_generation, 0, memory_order_relaxed);
    shm_fence_release();

    memset(section, 0, layout.heap - layout.section);
    section->magic = SHM_SECTION_MAGIC;
    section->version = SHM_LAYOUT_VERSION;
    section->peer = peer;
    section->peers = peers;
    section->size = size;
    section->ports_offset = layout.ports;
    section->log_offset = layout.log;
    section->heap_offset = layout.heap;
    section->heap_size = (size - layout.heap) & ~(uint64_t)(SHM_PAGE - 1);
    atomic_store_explicit(&section->heartbeats_offset, layout.heartbeats, memory_order_relaxed);
    ((struct shm_log *)(bytes + layout.log))->size = log;
    atomic_store_explicit(&section->generation, generation, memory_order_release);
    return section;
}

/* Does [offset, offset + length) lie in [0, size)? */
static bool lies_inside(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

static struct shm_extent read_extent(const struct shm_extent *extent)
{
    return (struct shm_extent){SHM_READ_ONCE(extent->offset), SHM_READ_ONCE(extent->size)};
}

static bool extent_is_sound(struct shm_extent extent, uint64_t lagoon_size)
{
    return extent.offset % SHM_PAGE == 0 && extent.size % SHM_PAGE == 0 &&
           extent.size >= sizeof(struct shm_section) &&
           lies_inside(extent.offset, extent.size, lagoon_size);
}

/* The fault in the table of extents, or NULL. */
static const char *check_extents(const struct shm_view *view, uint64_t sections_offset)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < view->peers; i++) {
        struct shm_extent extent = read_extent(&view->extents[i]);
        if (!extent_is_sound(extent, view->size))
            return "a section lies outside the lagoon, is not page aligned, or is too small";
        if (i == 0 && extent.offset != 0)
            return "section 0 does not begin with the lagoon";
        if (extent.offset < end)
            return "sections overlap or are not in order";
        end = extent.offset + extent.size;
        if (i == 0 && (!lies_inside(sections_offset, view->peers * sizeof extent, end) ||
                       !lies_inside(view->section0_offset, sizeof(struct shm_section), end)))
            return "the header points outside section 0";
    }
    return NULL;
}

static const char *check_header(struct shm_view *view, uint64_t mapped)
{
    const struct shm_header *header = (const struct shm_header *)view->base;
    if (mapped < sizeof *header)
        return "less memory than the lagoon's header takes";
    if (SHM_READ_ONCE(header->magic) != SHM_LAGOON_MAGIC)
        return "no lagoon here (magic number)";
    if (SHM_READ_ONCE(header->version) != SHM_LAYOUT_VERSION)
        return "the lagoon has another layout version";
    view->size = SHM_READ_ONCE(header->size);
    if (view->size > mapped || view->size < sizeof *header)
        return "the lagoon's size is not what is mapped";
    view->peers = SHM_READ_ONCE(header->peers);
    if (view->peers < 3 || view->peers > PEERS_MAX)
        return "fewer than 3 peers, or too many";
    if (view->self >= view->peers)
        return "this peer has no section in the lagoon";
    uint64_t sections_offset = SHM_READ_ONCE(header->sections_offset);
    if (sections_offset < sizeof *header || sections_offset % _Alignof(struct shm_extent) ||
        !lies_inside(sections_offset, view->peers * sizeof(struct shm_extent), view->size))
        return "the table of sections lies outside the lagoon";
    view->section0_offset = SHM_READ_ONCE(header->section0_offset);
    if (view->section0_offset < sizeof *header || view->section0_offset % SHM_LINE)
        return "section 0 overlaps the header or is not aligned";
    if (!lies_inside(SHM_READ_ONCE(header->machine_offset), SHM_READ_ONCE(header->machine_size),
                     view->size))
        return "the machine table lies outside the lagoon";
    view->extents = (const struct shm_extent *)(view->base + sections_offset);
    return check_extents(view, sections_offset);
}

int shm_view_open(struct shm_view *view, void *base, uint64_t size, uint32_t self, const char **why)
{
    *view = (struct shm_view){.base = base, .self = self};
    const char *fault = check_header(view, size);
    if (fault && why)
        *why = fault;
    return fault ? -EPROTO : 0;
}

/* Everything but the generation; `at` is where the struct lies in the extent. */
static bool section_is_sound(const struct shm_view *view, uint32_t peer, uint64_t at,
                             struct shm_extent extent, const struct shm_section *section)
{
    uint64_t ports = SHM_READ_ONCE(section->ports_offset);
    uint64_t log = SHM_READ_ONCE(section->log_offset);
    uint64_t heap = SHM_READ_ONCE(section->heap_offset);
    uint64_t heartbeats = atomic_load_explicit(&section->heartbeats_offset, memory_order_relaxed);
    uint64_t body = at + sizeof *section;
    return SHM_READ_ONCE(section->magic) == SHM_SECTION_MAGIC &&
           SHM_READ_ONCE(section->version) == SHM_LAYOUT_VERSION &&
           SHM_READ_ONCE(section->peer) == peer && SHM_READ_ONCE(section->peers) == view->peers &&
           SHM_READ_ONCE(section->size) == extent.size && ports % SHM_LINE == 0 && ports >= body &&
           lies_inside(ports, (uint64_t)view->peers * sizeof(struct shm_port), extent.size) &&
           log % SHM_LINE == 0 && log >= body &&
           lies_inside(log, sizeof(struct shm_log), extent.size) && heartbeats % SHM_LINE == 0 &&
           heartbeats >= body && heartbeats <= extent.size && heap % SHM_LINE == 0 &&
           heap >= body && lies_inside(heap, SHM_READ_ONCE(section->heap_size), extent.size);
}

struct shm_section *shm_view_section(const struct shm_view *view, uint32_t peer, int *error)
{
    int unused;
    error = error ? error : &unused;
    *error = -EPROTO;
    if (peer >= view->peers)
        return NULL;
    struct shm_extent extent = read_extent(&view->extents[peer]);
    uint64_t at = peer == 0 ? view->section0_offset : 0;
    if (!extent_is_sound(extent, view->size) ||
        !lies_inside(at, sizeof(struct shm_section), extent.size))
        return NULL;
    struct shm_section *section = (struct shm_section *)(view->base + extent.offset + at);
    uint64_t generation = atomic_load_explicit(&section->generation, memory_order_acquire);
    if (generation == 0) {
        *error = -EAGAIN;
        return NULL;
    }
    if (section_is_sound(view, peer, at, extent, section)) {
        *error = 0;
        return section;
    }
    /* Perhaps it was just being laid out anew. */
    shm_fence_acquire();
    if (atomic_load_explicit(&section->generation, memory_order_relaxed) != generation)
        *error = -EAGAIN;
    return NULL;
}

const void *shm_view_bytes(const struct shm_view *view, uint32_t peer, uint64_t offset,
                           uint64_t length)
{
    if (peer >= view->peers)
        return NULL;
    struct shm_extent extent = read_extent(&view->extents[peer]);
    if (!extent_is_sound(extent, view->size) || !lies_inside(offset, length, extent.size))
        return NULL;
    return view->base + extent.offset + offset;
}

void *shm_view_own(const struct shm_view *view, uint64_t offset, uint64_t length)
{
    return (void *)(uintptr_t)shm_view_bytes(view, view->self, offset, length);
}

struct shm_port *shm_view_port(const struct shm_view *view, const struct shm_section *section,
                               uint32_t peer, uint32_t other)
{
    uint64_t ports = SHM_READ_ONCE(section->ports_offset);
    if (ports % SHM_LINE || other >= view->peers)
        return NULL;
    /* The table must fit as a whole, which also keeps the sum below from wrapping round. */
    const uint8_t *table =
        shm_view_bytes(view, peer, ports, (uint64_t)view->peers * sizeof(struct shm_port));
    return table ? (struct shm_port *)(uintptr_t)table + other : NULL;
}

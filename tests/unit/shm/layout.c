/* The lagoon's layout: where sections and their parts lie, and what a view refuses. */
#include "tests/unit/shm/support.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(layout, sizes_that_other_parts_count_on)
{
    cr_assert_eq(sizeof(struct shm_header), 256);
    cr_assert_eq(sizeof(struct shm_port), 128);
    cr_assert_eq(sizeof(struct shm_cell), 64);
    cr_assert_eq(sizeof(struct shm_cell_more), 64);
    cr_assert_eq(sizeof(struct shm_heartbeat), 64);
    cr_assert_eq(offsetof(struct shm_cell, payload), 16);
    cr_assert_eq(offsetof(struct shm_cell_more, payload), 8);
    cr_assert_eq(offsetof(struct shm_port, credit), 64, "sender's and reader's words share a line");
    cr_assert_eq(offsetof(struct shm_log, bytes), 64);
    cr_assert_eq(sizeof(struct shm_section) % SHM_LINE, 0);
}

Test(layout, a_section_holds_what_was_asked_for)
{
    uint64_t seed = 7;
    for (int i = 0; i < 200; i++) {
        uint32_t peers = 3 + (uint32_t)random_below(&seed, 200);
        uint32_t cores = 1 + (uint32_t)random_below(&seed, 64);
        uint64_t log = UINT64_C(1) << (6 + random_below(&seed, 12));
        uint64_t heap = random_below(&seed, 1 << 20);
        uint32_t peer = (uint32_t)random_below(&seed, peers);
        uint64_t size = shm_section_size(peers, cores, log, heap);
        cr_assert_eq(size % SHM_PAGE, 0);

        uint8_t *base = aligned_alloc(SHM_PAGE, size);
        memset(base, 0xee, size);
        struct shm_section *section = shm_section_create(base, size, 0, peer, peers, cores, log, 9);
        cr_assert_not_null(section);
        cr_assert_eq((uint8_t *)section, base);
        cr_assert_eq(section->magic, SHM_SECTION_MAGIC);
        cr_assert_eq(section->generation, 9);
        cr_assert_eq(section->peer, peer);
        cr_assert_eq(section->size, size);
        cr_assert_geq(section->heap_size, heap);
        cr_assert_eq(section->heap_offset + section->heap_size, size);
        cr_assert_eq(section->heap_offset % SHM_PAGE, 0);
        /* One after the other, each on a line of its own, and all of it zero. */
        uint64_t after = sizeof *section + (peer == peers - 1 ? sizeof(struct shm_boot) : 0);
        cr_assert_geq(section->ports_offset, after);
        cr_assert_eq(section->ports_offset % SHM_LINE, 0);
        cr_assert_geq(section->heartbeats_offset,
                      section->ports_offset + peers * sizeof(struct shm_port));
        cr_assert_geq(section->log_offset,
                      section->heartbeats_offset + cores * sizeof(struct shm_heartbeat));
        cr_assert_geq(section->heap_offset, section->log_offset + sizeof(struct shm_log) + log);
        cr_assert_eq(((struct shm_log *)(base + section->log_offset))->size, log);
        for (uint64_t at = section->ports_offset; at < section->log_offset; at++)
            cr_assert_eq(base[at], 0);
        if (section->heap_size)
            cr_assert_eq(base[section->heap_offset], 0xee, "the heap is not for clearing");
        free(base);
    }
}

Test(layout, a_section_that_does_not_fit_is_refused)
{
    uint64_t size = shm_section_size(4, 2, 4096, 0);
    uint8_t *base = aligned_alloc(SHM_PAGE, size);
    cr_assert_not_null(shm_section_create(base, size, 0, 3, 4, 2, 4096, 1));
    cr_assert_null(shm_section_create(base, size - SHM_PAGE, 0, 3, 4, 2, 4096, 1));
    cr_assert_null(shm_section_create(base, size, SHM_PAGE, 3, 4, 2, 4096, 1));
    cr_assert_null(shm_section_create(base, size, 0, 4, 4, 2, 4096, 1), "no such peer");
    cr_assert_null(shm_section_create(base, size, 0, 3, 4, 2, 4095, 1), "log no power of two");
    cr_assert_null(shm_section_create(base, size, 0, 3, 4, 2, 4096, 0), "generation 0");
    cr_assert_null(shm_section_create(base, size, UINT64_MAX, 3, 4, 2, 4096, 1));
    free(base);
}

Test(layout, what_lies_in_front_of_section_0_is_left_alone)
{
    struct test_lagoon lagoon;
    lagoon_make(&lagoon, 5, 8192);
    struct shm_header before = *(struct shm_header *)lagoon.base;
    struct shm_section *section = lagoon_start(&lagoon, 0, 1);
    cr_assert_not_null(section);
    cr_assert(memcmp(lagoon.base, &before, sizeof before) == 0);
    cr_assert_eq((uint8_t *)section, lagoon.base + before.section0_offset);

    struct shm_view view;
    cr_assert_eq(shm_view_open(&view, lagoon.base, lagoon.size, 0, NULL), 0);
    cr_assert_eq(shm_view_section(&view, 0, NULL), section);
    cr_assert_eq((uint8_t *)shm_view_own(&view, section->heap_offset, section->heap_size),
                 lagoon.base + section->heap_offset, "offsets count from the extent's start");
    free(lagoon.base);
}

Test(layout, sections_are_seen_once_they_are_whole)
{
    struct test_lagoon lagoon;
    struct shm_view view;
    int error = 1;
    lagoon_make(&lagoon, 4, 8192);
    cr_assert_eq(shm_view_open(&view, lagoon.base, lagoon.size, 1, NULL), 0);
    cr_assert_eq(view.peers, 4);
    cr_assert_null(shm_view_section(&view, 2, &error));
    cr_assert_eq(error, -EAGAIN);
    struct shm_section *section = lagoon_start(&lagoon, 2, 3);
    cr_assert_eq(shm_view_section(&view, 2, &error), section);
    cr_assert_eq(error, 0);
    cr_assert_null(shm_view_section(&view, 4, &error), "no such peer");
    cr_assert_eq(error, -EPROTO);

    for (uint32_t other = 0; other < 4; other++) {
        struct shm_port *port = shm_view_port(&view, section, 2, other);
        cr_assert_eq((uint8_t *)port,
                     (uint8_t *)section + section->ports_offset + other * sizeof *port);
    }
    cr_assert_null(shm_view_port(&view, section, 2, 4));
    uint64_t size = lagoon.section_size;
    cr_assert_not_null(shm_view_bytes(&view, 2, 0, size));
    cr_assert_not_null(shm_view_bytes(&view, 2, size, 0));
    cr_assert_null(shm_view_bytes(&view, 2, size, 1));
    cr_assert_null(shm_view_bytes(&view, 2, 1, size));
    cr_assert_null(shm_view_bytes(&view, 2, UINT64_MAX, 2));
    cr_assert_null(shm_view_bytes(&view, 2, 2, UINT64_MAX));
    cr_assert_null(shm_view_bytes(&view, 4, 0, 1));
    free(lagoon.base);
}

#define REFUSED(Change)                                                                            \
    do {                                                                                           \
        struct test_lagoon lagoon;                                                                 \
        struct shm_view view;                                                                      \
        const char *why = NULL;                                                                    \
        lagoon_make(&lagoon, 4, 8192);                                                             \
        struct shm_header *header = (struct shm_header *)lagoon.base;                              \
        struct shm_extent *extents = (struct shm_extent *)(header + 1);                            \
        uint64_t mapped = lagoon.size;                                                             \
        uint32_t self = 1;                                                                         \
        cr_assert_eq(shm_view_open(&view, lagoon.base, mapped, self, &why), 0, "%s", why);         \
        Change;                                                                                    \
        (void)extents;                                                                             \
        cr_expect_eq(shm_view_open(&view, lagoon.base, mapped, self, &why), -EPROTO, "%s",         \
                     #Change);                                                                     \
        cr_expect_not_null(why);                                                                   \
        free(lagoon.base);                                                                         \
    } while (0)

Test(layout, a_header_that_is_not_sound_is_refused)
{
    REFUSED(header->magic++);
    REFUSED(header->version++);
    REFUSED(header->peers = 2);
    REFUSED(header->peers = UINT32_MAX);
    REFUSED(header->peers = 5);
    REFUSED(header->size = 0);
    REFUSED(header->size += SHM_PAGE);
    REFUSED(header->size -= SHM_PAGE);
    REFUSED(header->sections_offset = UINT64_MAX - 7);
    REFUSED(header->sections_offset += 4);
    REFUSED(header->sections_offset = 0);
    REFUSED(header->sections_offset = lagoon.size - 8);
    REFUSED(header->section0_offset = 0);
    REFUSED(header->section0_offset += 8);
    REFUSED(header->section0_offset = lagoon.section_size);
    REFUSED(header->machine_size = lagoon.size + 1);
    REFUSED(header->machine_offset = UINT64_MAX);
    REFUSED(extents[0].offset = SHM_PAGE);
    REFUSED(extents[1].offset -= SHM_PAGE);
    REFUSED(extents[2].size += 1);
    REFUSED(extents[2].size = 0);
    REFUSED(extents[3].size = UINT64_MAX - 4095);
    REFUSED(extents[3].offset = UINT64_MAX - 4095);
    REFUSED(self = 4);
    REFUSED(mapped -= 1);
    REFUSED(mapped = sizeof *header - 1);
}

#define UNSOUND(Change)                                                                            \
    do {                                                                                           \
        struct test_lagoon lagoon;                                                                 \
        struct shm_view view;                                                                      \
        int error = 0;                                                                             \
        lagoon_make(&lagoon, 4, 8192);                                                             \
        shm_view_open(&view, lagoon.base, lagoon.size, 1, NULL);                                   \
        struct shm_section *section = lagoon_start(&lagoon, 2, 1);                                 \
        Change;                                                                                    \
        cr_expect_null(shm_view_section(&view, 2, &error), "%s", #Change);                         \
        cr_expect_eq(error, -EPROTO);                                                              \
        free(lagoon.base);                                                                         \
    } while (0)

Test(layout, a_section_that_is_not_sound_is_refused)
{
    UNSOUND(section->magic++);
    UNSOUND(section->version++);
    UNSOUND(section->peer = 1);
    UNSOUND(section->peers = 5);
    UNSOUND(section->size += SHM_PAGE);
    UNSOUND(section->ports_offset += 8);
    UNSOUND(section->ports_offset = 0);
    UNSOUND(section->ports_offset = lagoon.section_size - SHM_LINE);
    UNSOUND(section->log_offset = UINT64_MAX - 63);
    UNSOUND(section->log_offset = lagoon.section_size);
    UNSOUND(section->heartbeats_offset = lagoon.section_size + SHM_LINE);
    UNSOUND(section->heap_offset = 64);
    UNSOUND(section->heap_size += 1);
    UNSOUND(section->heap_size = UINT64_MAX);
}

/* Random values all over a lagoon: whatever a view returns lies inside it. AddressSanitizer watches
 * the rest. */
Test(layout, random_values_never_lead_outside, .timeout = 20)
{
    struct test_lagoon lagoon;
    lagoon_make(&lagoon, 4, 8192);
    for (uint32_t peer = 0; peer < 4; peer++)
        lagoon_start(&lagoon, peer, 1);
    uint8_t *copy = malloc(lagoon.size);
    memcpy(copy, lagoon.base, lagoon.size);
    uint64_t seed = 42, end = now_ns() + 800000000, seen = 0;
    char text[128];

    while (now_ns() < end) {
        for (int i = 0; i < 64; i++) {
            /* One to three fields: of the header, the extents, or the head of a section. */
            for (uint64_t changes = 1 + random_below(&seed, 3); changes; changes--) {
                uint64_t peer = random_below(&seed, 4);
                uint64_t at = random_below(&seed, 2) ? random_below(&seed, 44) * 8
                                                     : random_below(&seed, 16) * 8;
                uint64_t *field = (uint64_t *)(lagoon.base + peer * lagoon.section_size + at);
                *field = random_bad(&seed, *field);
            }
            struct shm_view view;
            const char *why = NULL;
            if (shm_view_open(&view, lagoon.base, lagoon.size, 1, &why) == 0) {
                for (uint32_t peer = 0; peer < view.peers; peer++) {
                    struct shm_section *section = shm_view_section(&view, peer, NULL);
                    if (!section)
                        continue;
                    seen++;
                    struct shm_port *port = shm_view_port(&view, section, peer, 1);
                    cr_assert(port && port->ring_generation == 0);
                    const struct shm_log *log =
                        shm_view_bytes(&view, peer, section->log_offset, sizeof *log);
                    uint64_t position = random_bad(&seed, 0), lost;
                    if (log)
                        shm_log_read(log, lagoon.section_size - section->log_offset, &position,
                                     text, sizeof text, &lost);
                }
            } else {
                cr_assert_not_null(why);
            }
            memcpy(lagoon.base, copy, 512);
            for (uint32_t peer = 1; peer < 4; peer++)
                memcpy(lagoon.base + peer * lagoon.section_size, copy + peer * lagoon.section_size,
                       512);
        }
    }
    cr_assert_gt(seen, 1000);
    free(copy);
    free(lagoon.base);
}

/* The machine's side of fake.h; runs in a child process of the proxy under test. */
#include "tests/unit/proxy/fake.h"

#include "proxy/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000

static void die(const char *why)
{
    fprintf(stderr, "fake machine: %s\n", why);
    _exit(70);
}

static void ring(void *context, uint32_t peer, uint32_t core)
{
    struct fake_machine *machine = context;

    (void)core;
    if (peer == SHM_PEER_PROXY)
        fake_ring_proxy(machine);
}

void fake_ring_proxy(struct fake_machine *machine)
{
    uint64_t one = 1;

    if (write(machine->proxy_doorbell, &one, sizeof(one)) < 0)
        die("cannot ring");
}

static void wait_doorbell(struct fake_machine *machine, uint32_t vector)
{
    struct pollfd look = {.fd = machine->vectors[vector], .events = POLLIN};
    uint64_t rung;

    if (poll(&look, 1, WAIT_MS) != 1)
        die("waited too long for the proxy's doorbell");
    if (read(machine->vectors[vector], &rung, sizeof(rung)) != sizeof(rung))
        die("cannot read a doorbell");
}

void fake_sleep_for_ever(void)
{
    for (;;)
        pause();
}

void fake_boot(struct fake_machine *machine)
{
    uint32_t self = machine->peers - 1;
    struct shm_extent extent = machine->view.extents[self];
    struct shm_section *section = shm_section_create(machine->base + extent.offset, extent.size, 0,
                                                     self, machine->peers, 1, 4096, 1);
    const struct shm_header *header = (const struct shm_header *)machine->base;

    if (!section)
        die("no room for the loader's section");
    machine->boot = (struct shm_boot *)(section + 1);
    atomic_store(&machine->boot->clock_request, 7);
    fake_ring_proxy(machine);
    while (atomic_load(&header->clock.sequence) != 7)
        wait_doorbell(machine, 0);
    if (header->clock.monotonic_ns > clock_monotonic_ns() || !header->clock.realtime_ns)
        die("the clock's answer is wrong");
    atomic_store(&machine->boot->entry_ns, header->clock.monotonic_ns);
    atomic_store(&machine->boot->launched_ns, clock_monotonic_ns());
    fake_ring_proxy(machine);
}

struct fake_instance *fake_start(struct fake_machine *machine, uint32_t number)
{
    struct fake_instance *instance = &machine->instance[number - 1];
    struct shm_extent extent = machine->view.extents[number];
    const char *why = "";

    instance->peer = number;
    instance->section = shm_section_create(machine->base + extent.offset, extent.size, 0, number,
                                           machine->peers, 1, 65536, 1);
    if (!instance->section)
        die("no room for a section");
    if (shm_view_open(&instance->view, machine->base, machine->size, number, &why))
        die(why);
    instance->heap = shm_heap_init(malloc(shm_heap_overhead(instance->section->heap_size)),
                                   instance->section->heap_offset, instance->section->heap_size);
    instance->links = calloc(machine->peers, sizeof(*instance->links));
    ipi_endpoint_init(&instance->endpoint, &instance->view, instance->section, instance->heap,
                      instance->links, ring, machine, 0);
    ipi_arm(&instance->endpoint, SHM_PEER_PROXY, SHM_PEER_PROXY);
    atomic_store(&instance->section->times.kernel_entry, clock_monotonic_ns());
    atomic_store(&instance->section->times.program_start, clock_monotonic_ns());
    atomic_store(&instance->section->counters.memory_peak, 1234567);
    atomic_store(&instance->section->state, SHM_STATE_RUNNING);
    fake_send(machine, instance, CONTROL_STATE, NULL, 0, NULL, 0);
    fake_ring_proxy(machine);
    return instance;
}

void fake_send(struct fake_machine *machine, struct fake_instance *instance, uint16_t kind,
               const void *head, size_t head_length, const void *bytes, size_t length)
{
    const struct shm_piece pieces[] = {{head, head_length}, {bytes, length}};
    size_t count = length ? 2 : head_length ? 1 : 0;
    int error;

    while ((error = ipi_send(&instance->endpoint, SHM_PEER_PROXY, kind, pieces, count)) == -EAGAIN)
        wait_doorbell(machine, instance->peer);
    if (error && error != -EPIPE)
        die("cannot send");
}

uint16_t fake_receive(struct fake_machine *machine, struct fake_instance *instance, void *message,
                      size_t *length)
{
    size_t room = *length;
    uint16_t kind;

    for (;;) {
        int result = ipi_receive(&instance->endpoint, SHM_PEER_PROXY, &kind, message, room, length);

        if (result == 1)
            return kind;
        if (result < 0)
            die("the channel from the proxy is closed");
        if (!ipi_arm(&instance->endpoint, SHM_PEER_PROXY, SHM_PEER_PROXY))
            wait_doorbell(machine, instance->peer);
    }
}

void fake_write(struct fake_machine *machine, struct fake_instance *instance, int fd,
                const void *bytes, size_t length)
{
    while (length) {
        size_t part = length < 1024 ? length : 1024;
        struct io_write request = {.length = (uint32_t)part, .fd = (uint32_t)fd};

        fake_send(machine, instance, IO_WRITE, &request, sizeof(request), bytes, part);
        bytes = (const char *)bytes + part;
        length -= part;
    }
}

int64_t fake_write_bulk(struct fake_machine *machine, struct fake_instance *instance, int fd,
                        const void *bytes, size_t length)
{
    struct io_write request = {
        .tag = ++instance->last_tag, .length = (uint32_t)length, .fd = (uint32_t)fd};
    struct io_done done;
    uint8_t message[8192];
    size_t received = sizeof(message);

    request.extent = shm_heap_alloc(instance->heap, length, 64);
    if (!request.extent)
        die("no bulk memory");
    memcpy(shm_view_own(&instance->view, request.extent, length), bytes, length);
    fake_send(machine, instance, IO_WRITE, &request, sizeof(request), NULL, 0);
    while (fake_receive(machine, instance, message, &received) != IO_DONE)
        received = sizeof(message);
    memcpy(&done, message, sizeof(done));
    if (received != sizeof(done) || done.tag != request.tag)
        die("a wrong answer");
    shm_heap_free(instance->heap, request.extent);
    return done.result;
}

void fake_exit(struct fake_machine *machine, struct fake_instance *instance, enum shm_state state,
               uint32_t status)
{
    atomic_store(&instance->section->times.program_end, clock_monotonic_ns());
    atomic_store(&instance->section->exit_status, status);
    atomic_store_explicit(&instance->section->state, state, memory_order_release);
    fake_ring_proxy(machine);
}

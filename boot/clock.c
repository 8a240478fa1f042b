/* The time: the proxy knows the host's clocks, the loader asks it once, and every instance counts
 * on from there with the time-stamp counter. The proxy is rung again each millisecond, because the
 * first doorbell may come before QEMU has learned where to send it. */
#include "boot/loader.h"

#include "abi/freestanding/scale.h"

#define RING_US 1000
#define ANSWER_US 10000000

void clock_ask(void)
{
    const struct shm_clock *clock = &((const struct shm_header *)loader.lagoon)->clock;
    uint64_t per_us = loader.clock.tsc_hz / 1000000;
    uint64_t begin = __builtin_ia32_rdtsc(), rung = begin, now = begin;
    atomic_store_explicit(&loader.boot->clock_request, 1, memory_order_release);
    pci_ring_proxy();
    while (atomic_load_explicit(&clock->sequence, memory_order_acquire) != 1) {
        now = __builtin_ia32_rdtsc();
        if (now - begin > ANSWER_US * per_us)
            loader_fail("the host proxy does not answer within %u s", ANSWER_US / 1000000);
        if (now - rung > RING_US * per_us) {
            rung = now;
            pci_ring_proxy();
        }
        __builtin_ia32_pause();
    }
    now = __builtin_ia32_rdtsc();
    loader.clock.tsc_base = rung + (now - rung) / 2;
    loader.clock.monotonic_ns = clock->monotonic_ns;
    loader.clock.realtime_ns = clock->realtime_ns;
    loader.clock.apic_timer_hz = apic_timer_hz(loader.clock.tsc_hz);
    uint32_t eax = 1, ebx, ecx, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    loader.clock.tsc_deadline = ecx >> 24 & 1;
    uint64_t since_entry =
        scale_u64(loader.clock.tsc_base - loader.tsc_entry, 1000000000, loader.clock.tsc_hz);
    atomic_store_explicit(&loader.boot->entry_ns, loader.clock.monotonic_ns - since_entry,
                          memory_order_release);
}

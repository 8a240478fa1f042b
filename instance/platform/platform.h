/* The whole of what a platform gives to the kernel above it. Everything else in instance/ is the
 * same code on `pc` and `hosted`. Addresses called physical are the machine's on `pc` and offsets
 * in the partition's memory file on `hosted`; the kernel reaches them through platform_direct(). */
#ifndef INSTANCE_PLATFORM_H
#define INSTANCE_PLATFORM_H

#include <platform/layout.h> /* of the platform that the kernel is compiled for */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

struct core;

enum platform_protection {
    PLATFORM_READ = 1,
    PLATFORM_WRITE = 2,
    PLATFORM_EXECUTE = 4,
};

/* Program mappings lie in [PROGRAM_FLOOR, PROGRAM_TOP); the platform's layout.h has the top. */
#define PROGRAM_FLOOR UINT64_C(0x10000)

/* --- Memory ------------------------------------------------------------------------------------
 */

/* Where the direct map begins: physical address p is readable and writable at base + p. Set before
 * kernel_start runs. */
extern uintptr_t platform_direct_base;

/* Maps [physical, +length) at `virtual` with `protection` (0: nothing may touch it, the frames stay
 * there). All are multiples of 4 KiB; large pages are used where alignment allows. Replaces what
 * was mapped there without flushing other cores: callers unmap first where something was. Page
 * tables come from frame_alloc. Returns 0 or -ENOMEM (then nothing of the range is mapped). The
 * caller serialises changes to one range. May not sleep. */
int platform_map(uintptr_t virtual, uint64_t physical, uint64_t length, unsigned protection);

/* Removes all mappings in [virtual, +length), frees page tables that become empty, and returns when
 * no core of the instance can use the old translations any more. Holes are fine. `release` (may be
 * NULL) is called for each extent that had been mapped, after the flush. May split large pages:
 * returns 0, or -ENOMEM when there is no frame for that (then nothing has changed). */
typedef void (*platform_release_t)(void *context, uint64_t physical, uint64_t length);
int platform_unmap(uintptr_t virtual, uint64_t length, platform_release_t release, void *context);

/* Changes the protection of what is mapped in the range; holes are fine; flushes as above. */
int platform_protect(uintptr_t virtual, uint64_t length, unsigned protection);

/* The physical address mapped at `virtual`, or UINT64_MAX. *protection may be NULL. */
uint64_t platform_lookup(uintptr_t virtual, unsigned *protection);

/* The program is going to use this block of frames, perhaps for the first time: the platform may
 * get the memory behind it ready in one go. A hint. May take some 100 us; may not be called with a
 * lock held. */
void platform_memory_begin(uint64_t physical, uint64_t length);

/* Makes memory of another member of the job readable at `virtual`, in the window that the platform
 * keeps for it; never writable. 0 or -ENOMEM; once it has succeeded, for good. May not sleep. */
int platform_peer_map(uintptr_t virtual, uint64_t physical, uint64_t length);

/* --- Cores -------------------------------------------------------------------------------------
 */

/* Makes `core`, the first of the group, this core's struct core for good (core_self finds it).
 * Called once, before anything that needs core_self. */
void platform_first_core(struct core *core);

/* Once kernel stacks can be had: guarded stacks for the first core's interrupts. 0 or -ENOMEM. */
int platform_first_core_stacks(void);

/* Starts all cores of the group but the first: each runs `entry` on its idle thread's stack.
 * Returns when all have come up or a limit has passed: the count of those that did not, each logged
 * by name. */
unsigned platform_cores_start(void (*entry)(struct core *core));

/* Halts this core until an interrupt comes. Called with interrupts off after looking once more for
 * work; an interrupt between that look and the halt ends the halt. Returns with interrupts off. */
void platform_core_idle(void);

/* Makes another core of the instance come out of platform_core_idle or take an interrupt soon, so
 * that it looks at its inbox. Any context. */
void platform_core_kick(struct core *core);

/* Ends this core for good. The last one to come parks the instance. */
noreturn void platform_core_park(void);

/* Stops all other cores at their next interrupt (bounded wait, then by force where the platform
 * can), for a panic or the end of the instance. Returns the count that did not answer. */
unsigned platform_cores_stop(void);

/* To be called in every loop that waits for another core: pauses, and serves what other cores wait
 * for from this one (translation flushes), so that two waiting cores never deadlock. */
void platform_relax(void);

/* The program has nothing to do until others go on (sched_yield): where this machine has more cores
 * than there are processors for them, lets somebody else have this one's. Returns soon otherwise.
 */
void platform_yield(void);

/* --- Time --------------------------------------------------------------------------------------
 */

uint64_t platform_monotonic_ns(void); /* the host's CLOCK_MONOTONIC */
uint64_t platform_realtime_ns(void);  /* the host's CLOCK_REALTIME at start, running on evenly */

/* Has this core interrupted at `deadline` (platform_monotonic_ns; 0: not at all), or somewhat
 * later. An interrupt may come early: the handler looks at the time and arms again. Interrupts off.
 */
void platform_timer_arm(uint64_t deadline);

/* --- Peers -------------------------------------------------------------------------------------
 */

/* The doorbell of another peer (doorbell_ring_t of ipi-msg/doorbell.h). */
void platform_doorbell_ring(void *context, uint32_t peer, uint32_t core);

/* Random bytes from the CPU or the host, for getrandom and AT_RANDOM. Returns false when there is
 * no good source. */
bool platform_random(void *buffer, size_t length);

/* For the earliest messages and panics only: straight to the console, waiting for each byte. */
void platform_console_write(const char *text, size_t length);

#endif

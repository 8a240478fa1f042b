/* The launcher: the loader-owned pages through which every core comes up and to which it returns.
 *
 * They lie in low memory (LAUNCH_PHYSICAL, where a startup interrupt can enter) and are mapped at
 * LAUNCH_VIRTUAL in the loader's and in every instance's address space: the first page read and
 * execute, the table read and write. A core that gets INIT-SIPI-SIPI enters the first page in real
 * mode, finds its slot by its own APIC id, announces itself, and once the slot says LAUNCH_GO loads
 * the slot's address space and stack and jumps. A core whose instance ends jumps to the park
 * routine, which leaves the instance's address space before it says LAUNCH_PARKED, so that the
 * instance's memory can be given away.
 *
 * Who writes: the starter writes all fields of a slot while its state is PARKED, then state GO; the
 * core itself writes the state from then on. */
#ifndef ABI_LAUNCH_H
#define ABI_LAUNCH_H

#include <stdatomic.h>
#include <stdint.h>

#define LAUNCH_PHYSICAL UINT64_C(0x8000) /* below 1 MiB and page aligned: startup vector 0x08 */
#define LAUNCH_VIRTUAL UINT64_C(0xffffffffffe00000)
#define LAUNCH_TABLE_OFFSET 0x1000 /* of struct launch_slot[LAUNCH_SLOTS], from either base */
#define LAUNCH_SLOTS 1024          /* APIC ids 0..1023 */

enum launch_state {
    LAUNCH_PARKED = 0, /* the core is halted on the launcher's page, or has never run */
    LAUNCH_GO = 1,     /* the starter has filled in the slot and sent the startup interrupt */
    LAUNCH_TAKEN = 2,  /* the core has read the slot and is jumping to `entry` */
};

struct launch_slot {
    _Atomic uint32_t state; /* enum launch_state */
    uint32_t reserved;
    uint64_t page_table; /* physical address for CR3 */
    uint64_t stack;      /* virtual, RSP at entry, 16-byte aligned */
    uint64_t entry;      /* virtual; called with RDI = argument, interrupts off, RBP = 0 */
    uint64_t argument;
    uint64_t pad[3];
};
_Static_assert(sizeof(struct launch_slot) == 64, "the assembler stub counts on it");

/* At the end of the launcher's code page: where its parts are. */
struct launch_exports {
    uint64_t park;   /* virtual address: jump there with interrupts off, never returns; any stack */
    uint64_t launch; /* likewise: takes this core's slot, as after a startup interrupt */
};
#define LAUNCH_EXPORTS_OFFSET 0xfc0

#endif

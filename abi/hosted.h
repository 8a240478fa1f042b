/* What the proxy gives to an instance on platform `hosted`, which is a process of its own: the
 * address map, the descriptors under fixed numbers, the record at the start of its partition, and
 * the page of doorbells.
 *
 *   0000_0000_0001_0000 - 6fff_ffff_f000   the program
 *   7000_0000_0000 +                       the kernel's image, as its ELF file says
 *   7100_0000_0000 +                       kernel stacks with guard pages
 *   7200_0000_0000 +  offset in the partition   direct map (read, write)
 *   7600_0000_0000 +                       memory of the job's peers (read)
 *   7a00_0000_0000 +                       the lagoon (read; own section also write)
 *   7b00_0000_0000 +                       doorbell words
 *   above                                  the host's: first stack, vDSO
 *
 * "Physical" addresses are offsets in the partition's memory file; those from
 * HOSTED_LAGOON_PHYSICAL on are offsets in the lagoon. */
#ifndef ABI_HOSTED_H
#define ABI_HOSTED_H

#include "abi/handover.h"

#define HOSTED_PROGRAM_TOP UINT64_C(0x6ffffffff000)
#define HOSTED_KERNEL_BASE UINT64_C(0x700000000000)
#define HOSTED_STACK_BASE UINT64_C(0x710000000000)
#define HOSTED_DIRECT_BASE UINT64_C(0x720000000000)
#define HOSTED_PEERS_BASE UINT64_C(0x760000000000)
#define HOSTED_LAGOON_BASE UINT64_C(0x7a0000000000)
#define HOSTED_DOORBELL_BASE UINT64_C(0x7b0000000000)
#define HOSTED_PARTITION_MAX (HOSTED_PEERS_BASE - HOSTED_DIRECT_BASE)
#define HOSTED_PEERS_MAX (HOSTED_LAGOON_BASE - HOSTED_PEERS_BASE)
#define HOSTED_LAGOON_PHYSICAL (UINT64_C(1) << 45)

/* Descriptors of the new process. */
enum hosted_descriptor {
    HOSTED_FD_CONSOLE = 2,  /* a pipe: lines for the user, before there is a log */
    HOSTED_FD_PARTITION,    /* memory file of exactly the partition's size */
    HOSTED_FD_LAGOON_WRITE, /* closed once the own section is mapped */
    HOSTED_FD_LAGOON,       /* read-only */
    HOSTED_FD_PROXY,        /* eventfd: the proxy's doorbell */
    HOSTED_FD_DOORBELLS,    /* memory file of HOSTED_DOORBELL_BYTES */
    HOSTED_FD_COUNT,
    /* From here on, in a job: for each entry of handover.members but the own that peer's memory
     * file, read-only; closed once it is mapped. */
};

/* One word for each core of the machine, by machine core number, each in a line of its own. All
 * instances may write all of them: they are hints, whose misuse can only wake or delay somebody. */
#define HOSTED_DOORBELLS 1024
#define HOSTED_DOORBELL_STRIDE 64
#define HOSTED_DOORBELL_BYTES (HOSTED_DOORBELLS * HOSTED_DOORBELL_STRIDE)
enum hosted_doorbell {
    HOSTED_BELL_SLEEPING = 1, /* the core waits for this word: futex wake */
    HOSTED_BELL_RUNG = 2,     /* a message has come */
    HOSTED_BELL_RELAY = 4,    /* the core runs: the proxy, whose doorbell rings too, is to signal */
    HOSTED_BELL_KICKED = 8,   /* its own instance wants something */
};

/* Host signals. Which thread of the process takes the message signal is the host's choice. */
#define HOSTED_SIGNAL_LOOK 10    /* SIGUSR1, between cores of one instance */
#define HOSTED_SIGNAL_MESSAGE 12 /* SIGUSR2, from the proxy */
#define HOSTED_SIGNAL_TIMER 14   /* SIGALRM, a core's own timer */

/* Behind the handover record, at the next multiple of 64 bytes. The partition's memory file begins
 * with the handover record; both lie below handover.used_end, and handover.page_table is a zeroed
 * page. */
#define HOSTED_MAGIC UINT64_C(0x31444554534f4841) /* "AHOSTED1" in memory order */
#define HOSTED_CPU_ANY UINT32_MAX

enum hosted_flag {
    HOSTED_FLAG_DEBUGGER = 1 << 0, /* stop before the kernel's start, and stay open to ptrace */
    HOSTED_FLAG_CROWDED = 1 << 1,  /* the machine has more cores than the host: do not spin */
};

struct hosted_record {
    uint64_t magic;  /* HOSTED_MAGIC */
    uint32_t flags;  /* enum hosted_flag */
    uint32_t cores;  /* as handover.cores.count */
    uint32_t cpus[]; /* the host CPU that each core is to be bound to, or HOSTED_CPU_ANY */
};

static inline uint64_t hosted_record_offset(uint64_t handover_size)
{
    return (handover_size + 63) & ~UINT64_C(63);
}

#endif

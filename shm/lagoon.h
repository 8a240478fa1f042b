/* The layout of the lagoon: the memory that every peer of one machine can see.
 *
 * The lagoon is a row of sections. Section 0 is the host proxy's and begins with the lagoon's
 * header; sections 1..n are the instances'; section n+1 is the boot loader's. Section i is written
 * by peer i alone, every other peer maps it read-only. All offsets are in bytes; those in a section
 * count from that section's start, those in the header from the lagoon's start.
 *
 * Every reader of another peer's section treats it as untrusted: it loads each field once, then
 * checks the copy (lagoon.c has the checks). Times are the host's CLOCK_MONOTONIC in nanoseconds.
 */
#ifndef SHM_LAGOON_H
#define SHM_LAGOON_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHM_LAGOON_MAGIC UINT64_C(0x314e4f4f47414c41) /* "ALAGOON1" in memory order */
#define SHM_SECTION_MAGIC UINT32_C(0x54434553)        /* "SECT" */
#define SHM_LAYOUT_VERSION 1
#define SHM_LINE 64   /* bytes in a cache line; what two cores write never shares one */
#define SHM_PAGE 4096 /* sections start and end at multiples of this */
#define SHM_PEER_PROXY 0

/* Where a section lies in the lagoon. */
struct shm_extent {
    uint64_t offset; /* from the lagoon's start, a multiple of SHM_PAGE */
    uint64_t size;   /* bytes, a multiple of SHM_PAGE */
};

/* The wall clock as the proxy read it for the boot loader; `sequence` is stored last (release)
 * and equals the loader's shm_boot.clock_request once the other two fields answer it. */
struct shm_clock {
    _Atomic uint64_t sequence;
    uint64_t monotonic_ns; /* CLOCK_MONOTONIC of the host */
    uint64_t realtime_ns;  /* CLOCK_REALTIME of the host, since 1970 */
};

/* What the proxy knows of a peer that may not have been able to say it: `generation` is over, and
 * will write nothing any more. Stored by the proxy alone; it then rings all others. */
struct shm_verdict {
    _Atomic uint64_t generation; /* 0: no verdict */
};

/* At the lagoon's start, inside section 0. Constant once the first peer has started, except
 * `clock`. */
struct shm_header {
    uint64_t magic;           /* SHM_LAGOON_MAGIC */
    uint32_t version;         /* SHM_LAYOUT_VERSION */
    uint32_t peers;           /* sections: the proxy, the instances, the boot loader; at least 3 */
    uint64_t size;            /* bytes of the whole lagoon */
    uint64_t sections_offset; /* of struct shm_extent[peers], from the lagoon's start */
    uint64_t machine_offset;  /* of the machine table (abi/machine.h), from the lagoon's start */
    uint64_t machine_size;    /* bytes */
    uint64_t tsc_hz; /* the host's time-stamp counter, ticks a second, as the proxy measured it */
    uint64_t section0_offset; /* of the proxy's own struct shm_section, from the lagoon's start */
    struct shm_clock clock;
    /* Of struct shm_verdict[peers], from the lagoon's start; 0: there is none. */
    uint64_t verdicts_offset;
    _Atomic uint64_t verdicts_given; /* grows after each, before the peers are rung */
    uint8_t reserved[152];
};
_Static_assert(sizeof(struct shm_header) == 256, "layout of the lagoon's header");

/* What an instance is doing; written by the instance itself, except that the proxy keeps its own
 * verdict for one that can no longer write (hung, or its platform died). */
enum shm_state {
    SHM_STATE_EMPTY = 0, /* nobody has started here yet */
    SHM_STATE_BOOTING,
    SHM_STATE_RUNNING, /* the program's first instruction is about to run */
    SHM_STATE_EXITED,  /* the program ended by itself; exit_status holds its status */
    SHM_STATE_CRASHED, /* see struct shm_crash */
    SHM_STATE_HUNG,
    SHM_STATE_STOPPED, /* ended on the proxy's order */
};

/* Counters that the proxy may read at any time. One writer: the section's owner. */
struct shm_counters {
    _Atomic uint64_t memory_total;  /* bytes of the partition */
    _Atomic uint64_t memory_used;   /* bytes now in use: kernel, page tables, program */
    _Atomic uint64_t memory_peak;   /* highest memory_used so far */
    _Atomic uint64_t memory_kernel; /* bytes of memory_used that are the kernel's own */
    _Atomic uint64_t interrupts;    /* taken on all cores, timer and doorbells included */
    _Atomic uint64_t timer_interrupts;
    _Atomic uint64_t doorbells_rung; /* by this peer, to anyone */
    _Atomic uint64_t doorbells_taken;
    _Atomic uint64_t syscalls;
    _Atomic uint64_t syscalls_unknown; /* that got ENOSYS */
    _Atomic uint64_t page_faults;
    _Atomic uint64_t context_switches;
    _Atomic uint64_t steals; /* threads that an idle core took from another */
    _Atomic uint64_t reserved[3];
};
_Static_assert(sizeof(struct shm_counters) == 128, "layout of the counters");

/* Timestamps of one instance's life, host CLOCK_MONOTONIC in ns; 0 where it has not happened. */
struct shm_times {
    _Atomic uint64_t kernel_entry;  /* first instruction of the instance's kernel */
    _Atomic uint64_t memory_ready;  /* page frames and address space usable */
    _Atomic uint64_t cores_ready;   /* every core of the group answers */
    _Atomic uint64_t program_start; /* just before the program's first instruction */
    _Atomic uint64_t program_end;
    _Atomic uint64_t reserved[3];
};
_Static_assert(sizeof(struct shm_times) == 64, "layout of the times");

#define SHM_CRASH_FRAMES 64

/* How an instance died: filled in by the dying core, then published by state = CRASHED (release).
 */
struct shm_crash {
    uint32_t signal; /* the Linux signal that ended the program, or 0: the kernel itself panicked */
    uint32_t vector; /* the exception's vector, or UINT32_MAX: none (abort(), a failed assertion) */
    uint64_t error;  /* the exception's error code */
    uint64_t address;                     /* faulting address (CR2), for a page fault */
    uint64_t core;                        /* index within the instance */
    uint64_t thread;                      /* Linux thread id */
    uint64_t registers[18];               /* rax rbx rcx rdx rsi rdi rbp rsp r8..r15 rip rflags */
    uint64_t frames;                      /* entries used in `backtrace` */
    uint64_t backtrace[SHM_CRASH_FRAMES]; /* return addresses, innermost first; [0] is rip */
    char message[256];                    /* NUL-terminated, what happened in words */
    /* A copy of the program's stack, from its RSP up, in this section's heap; length 0: none. */
    uint64_t stack_address; /* the program's address of the first byte */
    uint64_t stack_offset;  /* in this section */
    uint64_t stack_length;  /* bytes */
};
enum shm_crash_register {
    SHM_RAX,
    SHM_RBX,
    SHM_RCX,
    SHM_RDX,
    SHM_RSI,
    SHM_RDI,
    SHM_RBP,
    SHM_RSP,
    SHM_R8,
    SHM_R9,
    SHM_R10,
    SHM_R11,
    SHM_R12,
    SHM_R13,
    SHM_R14,
    SHM_R15,
    SHM_RIP,
    SHM_RFLAGS,
};

/* What peer i keeps for its pair with peer j, in section i, entry j. Two lines: what i says as the
 * sender of i->j, and what i says as the reader of j->i. Only i writes either. */
struct shm_port {
    /* As sender. The ring exists once ring_generation is not 0 (stored last, release). */
    _Alignas(SHM_LINE) _Atomic uint64_t ring_generation; /* of the section when the ring was made */
    _Atomic uint64_t ring_offset;                        /* of the first cell, in this section */
    _Atomic uint64_t ring_cells;                         /* a power of two, 16 to 65536 */
    _Atomic uint32_t sender_waiting; /* odd: the sender sleeps until credits come, ring its
                                        doorbell; the upper bits count how often it did */
    _Atomic uint32_t sender_core;    /* core index for that doorbell */
    _Atomic uint64_t ring_reader;    /* generation of the reader's section that the ring was made
                                        for; 0: for the reader's first */
    /* As reader. */
    _Alignas(SHM_LINE) _Atomic uint64_t credit; /* cells of the other's ring read so far, in all */
    _Atomic uint64_t credit_generation;         /* the ring_generation that `credit` counts in */
    _Atomic uint32_t armed; /* odd: the reader sleeps (or is about to), ring its doorbell; the upper
                               bits count how often it did */
    _Atomic uint32_t reader_core; /* core index for that doorbell */
    _Atomic uint64_t refused; /* ring_generation whose ring this reader closed (EPROTO); 0: none */
};
_Static_assert(sizeof(struct shm_port) == 2 * SHM_LINE, "layout of a port");

/* The entry of a pair of a peer with itself has no ring. Its `credit` is the peer's news: it grows
 * after anything that others' kernels may have to look at (a control message to any of them, the own
 * end), before they are rung, so that who is rung looks only at those in whom it has changed. It
 * stands there, and not at the section's start, because sections are large powers of two apart: the
 * same cache set for all of them. */
#define SHM_PORT_NEWS credit

/* At the start of every section (section 0's lies at header.section0_offset). */
struct shm_section {
    uint32_t magic;        /* SHM_SECTION_MAGIC */
    uint32_t version;      /* SHM_LAYOUT_VERSION */
    uint32_t peer;         /* whose section this is */
    uint32_t peers;        /* as in the header */
    uint64_t size;         /* bytes, as in the extent */
    uint64_t ports_offset; /* of struct shm_port[peers] */
    uint64_t log_offset;   /* of struct shm_log */
    uint64_t heap_offset;  /* of the bulk memory that holds rings and data */
    uint64_t heap_size;
    /* Stored last when the section is made (release): it is whole once this is not 0. A restarted
     * peer stores a higher one. */
    _Atomic uint64_t generation;

    _Alignas(SHM_LINE) _Atomic uint32_t state; /* enum shm_state */
    _Atomic uint32_t exit_status;       /* 0..255 as a shell shows it: status, or 128 + signal */
    _Atomic uint64_t cores;             /* cores of the instance that are up */
    _Atomic uint64_t heartbeats_offset; /* of struct shm_heartbeat[cores] */
    _Atomic uint64_t directory_offset;  /* of struct shm_directory (shm/channel.h); 0: none yet */
    /* Of the program's memory as others have been told of it (ATOLL_CALL_EXTENTS). */
    _Atomic uint64_t mapping_generation;
    /* The proxy's section alone: raised when it wants to hear of silent cores (shm_heartbeat). */
    _Atomic uint64_t probe;
    uint64_t status_reserved[2];

    _Alignas(SHM_LINE) struct shm_times times;
    _Alignas(SHM_LINE) struct shm_counters counters;
    _Alignas(SHM_LINE) struct shm_crash crash;
};

/* A core's sign of life: `beats` grows at every scheduling decision, timer tick and idle entry. */
struct shm_heartbeat {
    _Alignas(SHM_LINE) _Atomic uint64_t beats;
    _Atomic uint64_t idle;     /* 1 while the core is halted */
    _Atomic uint64_t answered; /* the proxy's `probe` that the core has seen last */
    _Atomic uint64_t calls;    /* system calls of the core so far, at that time */
    _Atomic uint64_t where;    /* RIP if the last interrupt met the kernel; 0: the program */
};
_Static_assert(sizeof(struct shm_heartbeat) == SHM_LINE, "a line for each core");

/* The kernel's log: a byte stream that overwrites its oldest bytes. The bytes [end - size, end) are
 * the newest; a reader copies, then looks at `writing` and drops what was overwritten meanwhile.
 * Lines end in '\n' and begin with '<level> seconds core:thread '. */
struct shm_log {
    _Alignas(SHM_LINE) _Atomic uint64_t end; /* bytes ever written */
    uint64_t size;                           /* of `bytes`; a power of two */
    _Atomic uint64_t writing; /* what `end` will be after the write under way; stored first */
    _Alignas(SHM_LINE) uint8_t bytes[];
};

/* In the boot loader's section (the lagoon's last), straight after its struct shm_section, where
 * shm_section_create leaves room for it. */
struct shm_boot {
    _Atomic uint64_t
        clock_request;         /* not 0: the loader waits for header.clock.sequence to equal it */
    _Atomic uint64_t entry_ns; /* the loader's first instruction, once the clock is known */
    _Atomic uint64_t launched_ns; /* when the last group's first core had been started */
    _Atomic uint32_t failed;      /* 1: `message` says why the machine could not be started */
    _Atomic uint32_t cores;       /* that the firmware reports */
    char message[256];
};

/* The size of a section that holds `heap` bytes of bulk memory and a log of `log` bytes (a power of
 * two) in a machine of `peers` peers and `cores` cores: a multiple of SHM_PAGE. */
uint64_t shm_section_size(uint32_t peers, uint32_t cores, uint64_t log, uint64_t heap);

/* Lays out an empty section in `base[0..size)`, zeroing all but the heap, and publishes
 * `generation` (not 0). `front` bytes at the start of the extent are left alone (section 0's
 * header); the struct shm_section then lies at the first line behind them, while the section's
 * offsets still count from `base`. The heap gets all that is left, from a page boundary on. Returns
 * the section, or NULL when `size` is too small or an argument is out of range. Only the owner may
 * call it. */
struct shm_section *shm_section_create(void *base, uint64_t size, uint64_t front, uint32_t peer,
                                       uint32_t peers, uint32_t cores, uint64_t log,
                                       uint64_t generation);

/* One peer's view of the lagoon: where it is mapped, and the geometry, checked and copied once. */
struct shm_view {
    uint8_t *base; /* of the lagoon, as mapped here */
    uint64_t size;
    uint32_t self; /* this peer */
    uint32_t peers;
    const struct shm_extent
        *extents; /* [peers], in the lagoon; re-read only through shm_view_section */
    uint64_t section0_offset;
};

/* Checks the header at `base` (`size` bytes mapped) and fills `view`. Returns 0 or -EPROTO with the
 * fault in words at *why (a constant string; `why` may be NULL). Never reads outside [base, size).
 */
int shm_view_open(struct shm_view *view, void *base, uint64_t size, uint32_t self,
                  const char **why);

/* The section of `peer`, or NULL when it is not laid out yet, or wrongly (then *error is -EPROTO,
 * otherwise -EAGAIN; `error` may be NULL). Each call checks afresh; the result's own offsets have
 * been checked against its extent. */
struct shm_section *shm_view_section(const struct shm_view *view, uint32_t peer, int *error);

/* `length` bytes at `offset` of peer's section, or NULL when they do not lie inside it. */
const void *shm_view_bytes(const struct shm_view *view, uint32_t peer, uint64_t offset,
                           uint64_t length);

/* The owner's own section at `offset`, to write to; NULL when it does not lie inside. Section
 * offsets count from the extent's start, which for section 0 is not where its struct shm_section
 * lies. */
void *shm_view_own(const struct shm_view *view, uint64_t offset, uint64_t length);

/* The port that `peer` keeps for its pair with `other`, or NULL when the section's table of ports
 * is not sound. `section` is what shm_view_section returned for `peer`. */
struct shm_port *shm_view_port(const struct shm_view *view, const struct shm_section *section,
                               uint32_t peer, uint32_t other);

/* Writes to the owner's log ring; any thread of the owner, callers serialise. Never blocks. */
void shm_log_write(struct shm_log *log, const char *bytes, size_t length);

/* Copies what came since *position (updated) into `out`, at most `capacity` bytes; returns the
 * count. *lost is set to the number of bytes that were overwritten before they could be read.
 * `limit` is the room that the reader knows there to be from the struct's start on, in bytes
 * (untrusted `size` is checked against it; a log that is not sound reads as empty). A log that has
 * begun anew, because its instance did, is read from its beginning. */
size_t shm_log_read(const struct shm_log *log, uint64_t limit, uint64_t *position, char *out,
                    size_t capacity, uint64_t *lost);

#endif

/* The machine table: what the proxy tells the boot loader (and the hosted platform) to start.
 * It lies in section 0 of the lagoon (shm_header.machine_offset), with the kernel's ELF file, the
 * programs' ELF files and their arguments beside it, all read-only for everyone else.
 * Offsets count from the lagoon's start. The loader checks everything before it uses any of it. */
#ifndef ABI_MACHINE_H
#define ABI_MACHINE_H

#include <stdint.h>

#define MACHINE_MAGIC UINT64_C(0x3148434d4c4f5441) /* "ATOLMCH1" in memory order */
#define MACHINE_VERSION 1
#define MACHINE_NAME_MAX 64 /* bytes of an instance's name with its NUL */
#define MACHINE_CORES_ANY UINT64_MAX

struct machine_extent {
    uint64_t offset;
    uint64_t size;
};

/* One instance to start. Entry k is instance number k + 1, lagoon section k + 1. */
struct machine_instance {
    char name[MACHINE_NAME_MAX];
    uint64_t generation;         /* 1 for the first start, not 0 */
    uint64_t memory;             /* bytes of the partition, a multiple of 2 MiB, at least 4 MiB */
    struct machine_extent cores; /* uint32_t[]: machine core numbers, in MADT order from 0 */
    struct machine_extent
        program; /* the ELF file; page aligned, so that it can be mapped in place */
    struct machine_extent arguments;   /* argv: NUL-terminated strings, one after the other */
    struct machine_extent environment; /* envp, likewise */
    uint32_t argument_count;
    uint32_t environment_count;
    uint32_t log_level;     /* enum machine_log: what goes to the log ring */
    uint32_t flags;         /* enum machine_flag */
    char program_path[256]; /* for /proc/self/exe and AT_EXECFN; NUL-terminated, cut if longer */
    uint32_t job; /* instances of one number, not 0, read each other's memory; 0: of no job */
    uint32_t reserved;
};
_Static_assert(sizeof(struct machine_instance) == 424, "layout of machine_instance");

enum machine_log { MACHINE_LOG_ERROR, MACHINE_LOG_WARN, MACHINE_LOG_INFO, MACHINE_LOG_DEBUG };

enum machine_flag {
    MACHINE_FLAG_STRACE = 1 << 0, /* log each system call */
    MACHINE_FLAG_STDIN = 1 << 1,  /* reads of fd 0 go to the proxy; otherwise they see the end */
    MACHINE_FLAG_TTY = 1 << 2,    /* fds 0-2 are a terminal's (isatty is true) */
    MACHINE_FLAG_MOUNTS = 1 << 3, /* the proxy shows folders of the host (abi/io.h) */
};

struct machine_table {
    uint64_t magic;       /* MACHINE_MAGIC */
    uint32_t version;     /* MACHINE_VERSION */
    uint32_t size;        /* bytes of this struct */
    uint8_t build_id[20]; /* of proxy, loader and kernel: all three must agree (make sets it) */
    uint32_t instances;
    uint32_t cores;                /* that the machine must have */
    uint32_t flags;                /* 0 for now */
    struct machine_extent kernel;  /* the kernel's ELF file */
    struct machine_extent entries; /* struct machine_instance[instances] */
};
_Static_assert(sizeof(struct machine_table) == 80, "layout of machine_table");

#endif

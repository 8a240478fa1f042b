/* Starting the program: reading its ELF file, laying out its process stack. program.c does both on
 * the real address space; the two steps are here so that tests can drive them by themselves. */
#ifndef INSTANCE_PROGRAM_H
#define INSTANCE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAM_STACK_SIZE (UINT64_C(8) << 20)  /* RLIMIT_STACK: what the stack may grow to */
#define PROGRAM_STACK_GUARD (UINT64_C(1) << 20) /* never mapped, below it; as Linux's gap */

/* A part of the file that is to be in memory (PT_LOAD), with its base added. */
struct program_segment {
    uint64_t address;     /* not page aligned; agrees with `offset` modulo the page */
    uint64_t memory_size; /* bytes, 1 or more; those behind file_size are zero */
    uint64_t offset;      /* in the file */
    uint64_t file_size;   /* bytes, at most memory_size */
    int protection;       /* PROT_* */
};

struct program_layout {
    uint64_t base;    /* added to all of the file's addresses; 0 unless position-independent */
    uint64_t entry;   /* address of the first instruction */
    uint64_t headers; /* address of the program headers in memory, or 0: they are not there */
    uint16_t header_count;
    bool executable_stack;            /* PT_GNU_STACK asks for it */
    uint64_t end;                     /* the page behind the highest segment: where brk starts */
    struct program_segment *segments; /* ascending, disjoint; kfree'd by the caller */
    size_t segment_count;             /* 1 or more */
};

/* Reads the ELF file `image` of `size` bytes, which is not trusted: its headers are copied once and
 * checked in full. Segments lie in [PROGRAM_FLOOR, limit). Returns 0, or -ENOEXEC or -ENOMEM with
 * the reason in words at *why. */
int program_parse(const uint8_t *image, uint64_t size, uint64_t limit,
                  struct program_layout *layout, const char **why);

/* Strings as the lagoon has them: `count` of them, each with its NUL, one after the other. */
struct program_strings {
    const char *bytes;
    uint64_t size;
    uint32_t count;
};

struct program_auxiliary {
    uint64_t type; /* AT_* */
    uint64_t value;
};

/* What the process stack is made from. The strings are copied before they are looked at. */
struct program_stack_input {
    struct program_strings arguments, environment;
    const char *path;                          /* AT_EXECFN */
    const uint8_t *random;                     /* 16 bytes for AT_RANDOM */
    const struct program_auxiliary *auxiliary; /* without AT_EXECFN, AT_PLATFORM, AT_RANDOM, NULL */
    size_t auxiliary_count;
};

/* The highest bytes of the stack, as they are when the program starts. */
struct program_stack {
    uint8_t *bytes;   /* kfree'd by the caller */
    uint64_t size;    /* of them */
    uint64_t pointer; /* RSP: where bytes[0] belongs; a multiple of 16 */
};

/* Maps the vDSO and makes it ready; its address, for AT_SYSINFO_EHDR. 0 or a negative errno value.
 */
int program_map_vdso(uint64_t *address);

/* Builds the stack that ends at `top` (a multiple of 16) as the x86-64 psABI (3.4.1) has it.
 * Returns 0; -E2BIG: more than three quarters of PROGRAM_STACK_SIZE; -EINVAL: the strings are not
 * `count` ones; -ENOMEM. */
int program_stack_build(const struct program_stack_input *input, uint64_t top,
                        struct program_stack *out);

/* Where the program found its arguments: RSP at its entry. */
extern uint64_t program_initial_stack;

#endif

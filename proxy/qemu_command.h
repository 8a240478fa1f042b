/* QEMU's command line: which accelerator, and the arguments, as a function of the machine. Starts
 * nothing, so that tests can look at it. */
#ifndef PROXY_QEMU_COMMAND_H
#define PROXY_QEMU_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#define QEMU_CORES_MAX 255                      /* APIC ids 0..254: QEMU's TCG has no x2APIC */
#define QEMU_LOADER_MEMORY (UINT64_C(32) << 20) /* RAM beside the partitions: loader, firmware */

struct qemu_command {
    const char *program;
    bool kvm;
    bool seabios;    /* instead of qboot */
    uint32_t cores;  /* 1..QEMU_CORES_MAX */
    uint64_t memory; /* bytes of RAM, a multiple of 1 MiB */
    uint32_t vectors;
    const char *loader;     /* ELF file */
    int lagoon_fd;          /* client end of the ivshmem handshake */
    int console_fd;         /* socket for the serial port */
    int gdb_fd;             /* listening socket; -1: no gdb, run at once */
    char *const *debug;     /* words for -d, NULL-terminated, or NULL */
    const char *debug_file; /* for -D, where `debug` is not NULL */
};

/* RAM for partitions of `partitions` bytes in all. */
uint64_t qemu_memory(uint64_t partitions);

/* An argv, NULL-terminated, or NULL when memory has run out. Free with qemu_command_free. */
char **qemu_command_make(const struct qemu_command *command);
void qemu_command_free(char **arguments);

/* Whether KVM can be used: the CPU shows vmx or svm in `cpuinfo` ("/proc/cpuinfo") and `device`
 * ("/dev/kvm") makes a machine. Otherwise *why says in `capacity` bytes why not. */
bool qemu_kvm_usable(const char *cpuinfo, const char *device, char *why, unsigned capacity);

#endif

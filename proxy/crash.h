/* What an instance says of its death (struct shm_crash, untrusted), in words: the signal or the
 * kernel's panic, where it happened, the registers, and the way there by function and line. */
#ifndef PROXY_CRASH_H
#define PROXY_CRASH_H

#include "shm/lagoon.h"

#include <stddef.h>

struct output_sink;

/* A private, checked copy: `frames` is at most SHM_CRASH_FRAMES, `message` ends and is printable.
 */
void crash_copy(struct shm_crash *copy, const struct shm_crash *untrusted);

/* "SIGSEGV at 0x0 in main (hello.c:12)", or the panic's message, in `buffer`. The files are the
 * kernel's and the program's ELF files. */
const char *crash_cause(const struct shm_crash *crash, const char *kernel, const char *program,
                        char *buffer, size_t capacity);

/* The whole report, line by line, to `sink`, each line behind `prefix`. */
void crash_report(const struct shm_crash *crash, const char *kernel, const char *program,
                  const char *prefix, struct output_sink *sink);

/* One frame: "function+0x1f (file.c:12)" or the bare address. `frame` is its place in the
 * backtrace. */
struct crash_frame {
    uint64_t address;
    char function[128], file[128];
    uint64_t offset;
    int line;
};

/* Resolves the whole backtrace; `frames` has room for SHM_CRASH_FRAMES. Returns their count. */
size_t crash_frames(const struct shm_crash *crash, const char *kernel, const char *program,
                    struct crash_frame *frames);

const char *crash_signal_name(unsigned signal); /* "SIGSEGV"; "signal 99" has no name: NULL */

#endif

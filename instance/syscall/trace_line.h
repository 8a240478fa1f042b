/* What the parts of --strace share: a line being put together (trace.c), the names of flags and
 * errors (trace_words.c), the contents of structs (trace_structs.c). Nobody else includes this. */
#ifndef INSTANCE_SYSCALL_TRACE_LINE_H
#define INSTANCE_SYSCALL_TRACE_LINE_H

#include "abi/linux/calls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_LINE 480  /* bytes of a line, so that it fits on a kernel stack and in the log */
#define TRACE_RESULT 96 /* of them, kept for the result */
#define TRACE_STRING 48 /* bytes of a buffer or path that are shown */

struct trace_line {
    char text[TRACE_LINE];
    size_t length;
    size_t limit; /* what does not fit below it is cut */
};

/* --- trace.c --- */

__attribute__((format(printf, 2, 3))) void trace_add(struct trace_line *line, const char *format,
                                                     ...);
/* Bytes of the program as a C string, `length` of them, the first TRACE_STRING shown. */
void trace_add_bytes(struct trace_line *line, uint64_t at, uint64_t length);
void trace_add_octal(struct trace_line *line, uint32_t value);
void trace_add_signal(struct trace_line *line, uint64_t signal);
void trace_add_signal_set(struct trace_line *line, uint64_t set);

/* --- trace_words.c --- */

/* A number that stands for a name or for bits with names. False: not of that kind. */
bool trace_add_word(struct trace_line *line, enum linux_argument kind, uint64_t value);
/* The bits of poll's and epoll's events; sa_flags. */
void trace_add_poll_events(struct trace_line *line, uint32_t events);
void trace_add_epoll_events(struct trace_line *line, uint32_t events);
void trace_add_action_flags(struct trace_line *line, uint64_t flags);
void trace_add_file_type(struct trace_line *line, uint32_t mode);
/* "ENOENT (No such file or directory)" */
void trace_add_error(struct trace_line *line, int64_t error);

/* --- trace_structs.c --- */

/* What the pointer `values[index]` points to. `result`: the call's, or negative before it and when
 * it failed. False: not a kind that is shown, or not readable. */
bool trace_add_struct(struct trace_line *line, enum linux_argument kind, const uint64_t *values,
                      unsigned index, int64_t result);

#endif

/* The kernel's log: lines stamped with time, core and thread, written to the log ring in the own
 * section, where the proxy reads them (atoll run --log LEVEL). Also panics.
 * log_write may be called in any context once log_init has run; before that, lines go to the
 * console. Formats: %s %d %u %x %lu %ld %lx %p %c %% with width, 0 and - flags. */
#ifndef INSTANCE_LOG_H
#define INSTANCE_LOG_H

#include "abi/machine.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdnoreturn.h>

struct shm_log;
struct trap_frame;

extern enum machine_log log_level;

void log_init(struct shm_log *ring, enum machine_log level);
__attribute__((format(printf, 2, 3))) void log_write(enum machine_log level, const char *format,
                                                     ...);

#define log_error(...) log_write(MACHINE_LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(MACHINE_LOG_WARN, __VA_ARGS__)
#define log_info(...)                                                                              \
    do {                                                                                           \
        if (log_level >= MACHINE_LOG_INFO)                                                         \
            log_write(MACHINE_LOG_INFO, __VA_ARGS__);                                              \
    } while (0)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_level >= MACHINE_LOG_DEBUG)                                                        \
            log_write(MACHINE_LOG_DEBUG, __VA_ARGS__);                                             \
    } while (0)

/* As vsnprintf with the formats above. Returns the length that the whole text would have. */
size_t format_text(char *out, size_t capacity, const char *format, va_list arguments);
__attribute__((format(printf, 3, 4))) size_t format_to(char *out, size_t capacity,
                                                       const char *format, ...);

/* The kernel cannot go on: stops the instance's other cores, fills in the section's crash record
 * with a backtrace (of `frame` where it is not NULL, else of the caller), sets the state to crashed
 * and parks. Other instances run on. */
__attribute__((format(printf, 2, 3))) noreturn void panic(const struct trap_frame *frame,
                                                          const char *format, ...);

#define kernel_assert(condition)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            panic(NULL, "assertion failed: %s (%s:%d)", #condition, __FILE__, __LINE__);           \
    } while (0)

#endif

/* Log lines: formatted on the caller's stack, stamped, written to the log ring in one piece. */
#include "instance/log.h"

#include "instance/core.h"
#include "instance/platform/platform.h"
#include "instance/sched/thread.h"
#include "shm/lagoon.h"

#define LINE_MAX_BYTES 512 /* a longer line is cut, and says so */

enum machine_log log_level = MACHINE_LOG_WARN;

static struct shm_log *log_ring;
static struct spinlock log_lock;

void log_init(struct shm_log *ring, enum machine_log level)
{
    log_ring = ring;
    log_level = level;
}

void log_write(enum machine_log level, const char *format, ...)
{
    if (level > log_level)
        return;
    char line[LINE_MAX_BYTES];
    struct core *core = core_self();
    uint64_t now = log_ring ? platform_monotonic_ns() : 0;
    size_t length =
        format_to(line, sizeof line, "<%d> %lu.%06lu %u:%d ", (int)level, now / 1000000000,
                  now / 1000 % 1000000, core->index, core->current ? core->current->id : 0);
    va_list arguments;
    va_start(arguments, format);
    length += format_text(line + length, sizeof line - length, format, arguments);
    va_end(arguments);
    if (length > sizeof line - 2) {
        length = sizeof line - 2;
        line[length - 1] = '~';
    }
    line[length++] = '\n';
    if (!log_ring) {
        platform_console_write(line, length);
        return;
    }
    uint64_t saved = spin_lock_irq(&log_lock);
    shm_log_write(log_ring, line, length);
    spin_unlock_irq(&log_lock, saved);
    if (level <= MACHINE_LOG_WARN)
        platform_doorbell_ring(NULL, SHM_PEER_PROXY, 0);
}

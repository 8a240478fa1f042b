/* `--strace`: prints system calls with their arguments decoded as abi/linux/calls.def describes
 * them. One line a call, written when it returns; calls that do not return are written at once. */
#include "instance/syscall/trace.h"

#include "abi/linux/calls.h"
#include "instance/log.h"
#include "instance/mm/user.h"
#include "instance/string.h"
#include "instance/syscall/restart.h"
#include "instance/syscall/signal.h"

#include <asm/unistd_64.h>
#include <errno.h>
#include <stdbool.h>

#define TRACE_LINE 480  /* bytes of a line, so that it fits on a kernel stack and in the log */
#define TRACE_STRING 48 /* bytes of a buffer or path that are shown */

struct trace_call {
    const char *name;
    uint8_t arguments[LINUX_CALL_ARGUMENTS];
    bool known; /* the kinds are known; otherwise six numbers are shown */
};

static const struct trace_call trace_calls[LINUX_CALL_COUNT] = {
#define LINUX_CALL(number, name, handler, ...)                                                     \
    [number] = {#name, {LINUX_ARGUMENTS(__VA_ARGS__)}, true},
#define LINUX_CALL_NONE(number, name, reason) [number] = {#name, {0}, false},
#include "abi/linux/calls.def"
#undef LINUX_CALL
#undef LINUX_CALL_NONE
};

/* A line being put together; what does not fit is cut. */
struct trace_line {
    char text[TRACE_LINE];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void trace_add(struct trace_line *line,
                                                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof(line->text) - line->length;
    size_t length = format_text(line->text + line->length, room, format, arguments);
    line->length += length < room ? length : room - 1;
    va_end(arguments);
}

/* Bytes as a C string, `length` of them, the first TRACE_STRING shown. */
static void trace_add_bytes(struct trace_line *line, uint64_t at, uint64_t length)
{
    uint8_t bytes[TRACE_STRING];
    uint64_t shown = length < sizeof(bytes) ? length : sizeof(bytes);
    if (user_read(bytes, at, shown) != 0) {
        trace_add(line, "0x%lx", at);
        return;
    }
    trace_add(line, "\"");
    for (uint64_t i = 0; i < shown; i++) {
        if (bytes[i] == '\n')
            trace_add(line, "\\n");
        else if (bytes[i] == '"' || bytes[i] == '\\')
            trace_add(line, "\\%c", bytes[i]);
        else if (bytes[i] >= ' ' && bytes[i] < 127)
            trace_add(line, "%c", bytes[i]);
        else
            trace_add(line, "\\x%02x", bytes[i]);
    }
    trace_add(line, "\"%s", shown < length ? "..." : "");
}

static void trace_add_path(struct trace_line *line, uint64_t at)
{
    char path[TRACE_STRING + 1];
    int64_t length = user_read_string(path, at, sizeof(path));
    if (length == -EFAULT)
        trace_add(line, "0x%lx", at);
    else
        trace_add_bytes(line, at, length < 0 ? TRACE_STRING : (uint64_t)length);
}

static void trace_add_signals(struct trace_line *line, uint64_t at)
{
    uint64_t set;
    if (user_read(&set, at, sizeof(set)) != 0) {
        trace_add(line, at == 0 ? "NULL" : "0x%lx", at);
        return;
    }
    const char *separator = "";
    trace_add(line, "[");
    if (set == UINT64_MAX) {
        trace_add(line, "all");
        set = 0;
    }
    for (int signal = 1; set != 0; signal++, set >>= 1) {
        if (set & 1) {
            if (signal < LINUX_SIGNAL_REALTIME)
                trace_add(line, "%s%s", separator, signal_name(signal) + 3);
            else
                trace_add(line, "%sRT_%d", separator, signal - LINUX_SIGNAL_REALTIME);
            separator = " ";
        }
    }
    trace_add(line, "]");
}

/* Names for the bits of a flag word. */
struct trace_flag {
    uint64_t bits;
    const char *name;
};

static void trace_add_flags(struct trace_line *line, uint64_t value, const struct trace_flag *flags,
                            size_t count, const char *zero)
{
    const char *separator = "";
    if (value == 0)
        trace_add(line, "%s", zero);
    for (size_t i = 0; i < count; i++) {
        if ((value & flags[i].bits) == flags[i].bits) {
            trace_add(line, "%s%s", separator, flags[i].name);
            separator = "|";
            value &= ~flags[i].bits;
        }
    }
    if (value != 0)
        trace_add(line, "%s0x%lx", separator, value);
}

static const struct trace_flag trace_protections[] = {
    {1, "PROT_READ"}, {2, "PROT_WRITE"}, {4, "PROT_EXEC"}};
static const struct trace_flag trace_map_flags[] = {
    {0x3, "MAP_SHARED_VALIDATE"}, {0x1, "MAP_SHARED"},       {0x2, "MAP_PRIVATE"},
    {0x10, "MAP_FIXED"},          {0x20, "MAP_ANONYMOUS"},   {0x100, "MAP_GROWSDOWN"},
    {0x2000, "MAP_LOCKED"},       {0x4000, "MAP_NORESERVE"}, {0x8000, "MAP_POPULATE"},
    {0x20000, "MAP_STACK"},       {0x40000, "MAP_HUGETLB"},  {0x100000, "MAP_FIXED_NOREPLACE"}};
static const struct trace_flag trace_open_flags[] = {
    {0x2, "O_RDWR"},          {0x1, "O_WRONLY"},       {0x40, "O_CREAT"},     {0x80, "O_EXCL"},
    {0x100, "O_NOCTTY"},      {0x200, "O_TRUNC"},      {0x400, "O_APPEND"},   {0x800, "O_NONBLOCK"},
    {0x10000, "O_DIRECTORY"}, {0x20000, "O_NOFOLLOW"}, {0x80000, "O_CLOEXEC"}};
#define TRACE_FLAGS(table) table, sizeof(table) / sizeof(table[0])

static void trace_add_futex(struct trace_line *line, uint32_t operation)
{
    static const char *const names[] = {"WAIT",           "WAKE",        "FD",
                                        "REQUEUE",        "CMP_REQUEUE", "WAKE_OP",
                                        "LOCK_PI",        "UNLOCK_PI",   "TRYLOCK_PI",
                                        "WAIT_BITSET",    "WAKE_BITSET", "WAIT_REQUEUE_PI",
                                        "CMP_REQUEUE_PI", "LOCK_PI2"};
    uint32_t command = operation & 0x7f;
    if (command < sizeof(names) / sizeof(names[0]))
        trace_add(line, "FUTEX_%s", names[command]);
    else
        trace_add(line, "%u", command);
    trace_add(line, "%s%s", operation & 0x80 ? "_PRIVATE" : "",
              operation & 0x100 ? "|FUTEX_CLOCK_REALTIME" : "");
}

/* Argument `index` of the call, whose six values are in `values`; `result` is the call's, or a
 * negative number before it. */
static void trace_add_argument(struct trace_line *line, enum linux_argument kind,
                               const uint64_t *values, unsigned index, int64_t result)
{
    uint64_t value = values[index];
    switch (kind) {
    case LINUX_ARGUMENT_FD:
        if ((int32_t)value == -100)
            trace_add(line, "AT_FDCWD");
        else
            trace_add(line, "%d", (int32_t)value);
        return;
    case LINUX_ARGUMENT_INTEGER:
        trace_add(line, "%d", (int32_t)value);
        return;
    case LINUX_ARGUMENT_UNSIGNED:
        trace_add(line, "%u", (uint32_t)value);
        return;
    case LINUX_ARGUMENT_SIZE:
        trace_add(line, "%lu", value);
        return;
    case LINUX_ARGUMENT_OFFSET:
        trace_add(line, "%ld", (int64_t)value);
        return;
    case LINUX_ARGUMENT_MODE: {
        uint32_t mode = (uint32_t)value & 07777;
        trace_add(line, "0%u%u%u%u", mode >> 9, mode >> 6 & 7, mode >> 3 & 7, mode & 7);
        return;
    }
    case LINUX_ARGUMENT_PATH:
    case LINUX_ARGUMENT_STRING:
        trace_add_path(line, value);
        return;
    case LINUX_ARGUMENT_BUFFER_IN:
        trace_add_bytes(line, value, index + 1 < LINUX_CALL_ARGUMENTS ? values[index + 1] : 0);
        return;
    case LINUX_ARGUMENT_BUFFER_OUT:
        if (result > 0)
            trace_add_bytes(line, value, (uint64_t)result);
        else
            trace_add(line, "0x%lx", value);
        return;
    case LINUX_ARGUMENT_SIGNAL:
        if (value >= 1 && value < LINUX_SIGNAL_REALTIME)
            trace_add(line, "%s", signal_name((int)value));
        else
            trace_add(line, "%d", (int32_t)value);
        return;
    case LINUX_ARGUMENT_SIGNAL_SET:
        trace_add_signals(line, value);
        return;
    case LINUX_ARGUMENT_PROTECTION:
        trace_add_flags(line, value, TRACE_FLAGS(trace_protections), "PROT_NONE");
        return;
    case LINUX_ARGUMENT_MAP_FLAGS:
        trace_add_flags(line, value, TRACE_FLAGS(trace_map_flags), "0");
        return;
    case LINUX_ARGUMENT_OPEN_FLAGS:
        trace_add_flags(line, value, TRACE_FLAGS(trace_open_flags), "O_RDONLY");
        return;
    case LINUX_ARGUMENT_FUTEX:
        trace_add_futex(line, (uint32_t)value);
        return;
    case LINUX_ARGUMENT_TIMESPEC: {
        int64_t time[2];
        if (value != 0 && user_read(time, value, sizeof(time)) == 0)
            trace_add(line, "{%ld, %ld}", time[0], time[1]);
        else
            trace_add(line, value == 0 ? "NULL" : "0x%lx", value);
        return;
    }
    case LINUX_ARGUMENT_VECTOR:
    case LINUX_ARGUMENT_POINTER:
    case LINUX_ARGUMENT_ADDRESS:
        if (value == 0) {
            trace_add(line, "NULL");
            return;
        }
        break;
    case LINUX_ARGUMENT_HEX:
    case LINUX_ARGUMENT_NONE:
        break;
    }
    trace_add(line, "0x%lx", value);
}

static void trace_add_call(struct trace_line *line, const struct trap_frame *frame, uint64_t number,
                           int64_t result)
{
    const uint64_t values[LINUX_CALL_ARGUMENTS] = {syscall_arg0(frame), syscall_arg1(frame),
                                                   syscall_arg2(frame), syscall_arg3(frame),
                                                   syscall_arg4(frame), syscall_arg5(frame)};
    static const struct trace_call unknown = {NULL, {0}, false};
    const struct trace_call *call = number < LINUX_CALL_COUNT ? &trace_calls[number] : &unknown;

    line->length = 0;
    if (call->name != NULL)
        trace_add(line, "%s(", call->name);
    else
        trace_add(line, "syscall_%lu(", number);
    for (unsigned i = 0; i < LINUX_CALL_ARGUMENTS; i++) {
        if (call->known && call->arguments[i] == LINUX_ARGUMENT_NONE)
            break;
        if (i != 0)
            trace_add(line, ", ");
        trace_add_argument(line, call->arguments[i], values, i, result);
    }
    trace_add(line, ")");
}

static void trace_add_result(struct trace_line *line, uint64_t number, int64_t result)
{
    if (syscall_wants_restart(result) && number != __NR_rt_sigreturn)
        trace_add(line, " = ? (interrupted by a signal)");
    else if (result < 0 && result >= -4095)
        trace_add(line, " = -1 (error %ld)", -result);
    else if (number == __NR_mmap || number == __NR_brk || number == __NR_mremap)
        trace_add(line, " = 0x%lx", (uint64_t)result);
    else
        trace_add(line, " = %ld", result);
}

/* Calls after which the registers of the call are gone, or nothing comes at all. */
static bool trace_does_not_return(uint64_t number)
{
    return number == __NR_exit || number == __NR_exit_group || number == __NR_rt_sigreturn;
}

void trace_enter(const struct trap_frame *frame, uint64_t number)
{
    struct trace_line line;
    if (!trace_does_not_return(number))
        return;
    trace_add_call(&line, frame, number, -1);
    log_write(MACHINE_LOG_INFO, "strace: %s = ?", line.text);
}

void trace_leave(const struct trap_frame *frame, uint64_t number, int64_t result)
{
    struct trace_line line;
    if (trace_does_not_return(number))
        return;
    trace_add_call(&line, frame, number, result);
    trace_add_result(&line, number, result);
    log_write(MACHINE_LOG_INFO, "strace: %s", line.text);
}

/* `--strace`: prints system calls with their arguments decoded as abi/linux/calls.def describes
 * them. One line a call, written when it returns; calls that do not return are written at once. */
#include "instance/syscall/trace.h"

#include "abi/linux/calls.h"
#include "instance/log.h"
#include "instance/mm/user.h"
#include "instance/string.h"
#include "instance/syscall/restart.h"
#include "instance/syscall/signal.h"
#include "instance/syscall/trace_line.h"

#include <asm/unistd_64.h>
#include <errno.h>
#include <stdbool.h>

#define TRACE_OPEN_MAKES 020000100u /* O_CREAT, __O_TMPFILE */

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

void trace_add(struct trace_line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = line->limit - line->length;
    size_t length = format_text(line->text + line->length, room, format, arguments);
    line->length += length < room ? length : room - 1;
    va_end(arguments);
}

void trace_add_bytes(struct trace_line *line, uint64_t at, uint64_t length)
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

void trace_add_signal(struct trace_line *line, uint64_t signal)
{
    if (signal >= 1 && signal < LINUX_SIGNAL_REALTIME)
        trace_add(line, "%s", signal_name((int)signal));
    else if (signal >= LINUX_SIGNAL_REALTIME && signal <= LINUX_SIGNALS)
        trace_add(line, "SIGRT_%d", (int)signal - LINUX_SIGNAL_REALTIME);
    else
        trace_add(line, "%d", (int32_t)signal);
}

void trace_add_signal_set(struct trace_line *line, uint64_t set)
{
    const char *separator = "";
    unsigned count = 0;
    for (uint64_t left = set; left != 0; left &= left - 1)
        count++;
    bool inverted = count > 48; /* nearly all of them: shown by those that are not in it */
    trace_add(line, inverted ? "~[" : "[");
    for (int signal = 1; signal <= LINUX_SIGNALS; signal++) {
        if (((set & LINUX_SIGNAL_BIT(signal)) != 0) == inverted)
            continue;
        if (signal < LINUX_SIGNAL_REALTIME)
            trace_add(line, "%s%s", separator, signal_name(signal) + 3);
        else
            trace_add(line, "%sRT_%d", separator, signal - LINUX_SIGNAL_REALTIME);
        separator = " ";
    }
    trace_add(line, "]");
}

void trace_add_octal(struct trace_line *line, uint32_t value)
{
    char digits[12];
    unsigned at = sizeof(digits) - 1;
    digits[at] = '\0';
    for (; value != 0; value >>= 3)
        digits[--at] = (char)('0' + (value & 7));
    trace_add(line, "0%s", digits + at);
}

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
    case LINUX_ARGUMENT_MODE:
        trace_add_octal(line, (uint32_t)value & 0177777);
        return;
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
        trace_add_signal(line, value);
        return;
    case LINUX_ARGUMENT_FUTEX:
        trace_add_futex(line, (uint32_t)value);
        return;
    case LINUX_ARGUMENT_HEX:
        trace_add(line, value != 0 ? "0x%lx" : "0", value);
        return;
    default:
        break;
    }
    if (trace_add_word(line, kind, value) || trace_add_struct(line, kind, values, index, result))
        return;
    if (value == 0 && (linux_argument_is_pointer(kind) || kind == LINUX_ARGUMENT_ADDRESS))
        trace_add(line, "NULL");
    else
        trace_add(line, "0x%lx", value);
}

#define FUTEX_COMMAND(operation) ((uint32_t)(operation)&0x7f)

/* How many arguments futex looks at with this operation. */
static unsigned trace_futex_arguments(uint64_t operation)
{
    switch (FUTEX_COMMAND(operation)) {
    case 1: /* WAKE, FD, UNLOCK_PI, TRYLOCK_PI */
    case 2:
    case 7:
    case 8:
        return 3;
    case 0: /* WAIT, LOCK_PI, LOCK_PI2 */
    case 6:
    case 13:
        return 4;
    default:
        return 6;
    }
}

/* The kind of argument `index`, where the others decide; NONE: Linux does not look at it. */
static enum linux_argument trace_kind(const struct trace_call *call, uint64_t number,
                                      const uint64_t *values, unsigned index)
{
    enum linux_argument kind = call->arguments[index];
    if (number == __NR_futex && index >= 3) {
        if (index >= trace_futex_arguments(values[1]))
            return LINUX_ARGUMENT_NONE;
        uint32_t command = FUTEX_COMMAND(values[1]);
        if (index == 3 && (command == 0 || command == 6 || command == 9 || command == 13))
            return LINUX_ARGUMENT_TIMESPEC;
    }
    /* open's mode when no file is made. */
    if (index != 0 && kind == LINUX_ARGUMENT_MODE &&
        call->arguments[index - 1] == LINUX_ARGUMENT_OPEN_FLAGS &&
        !(values[index - 1] & TRACE_OPEN_MAKES))
        return LINUX_ARGUMENT_NONE;
    return kind;
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
    line->limit = sizeof(line->text) - TRACE_RESULT;
    if (call->name != NULL)
        trace_add(line, "%s(", call->name);
    else
        trace_add(line, "syscall_%lu(", number);
    for (unsigned i = 0; i < LINUX_CALL_ARGUMENTS; i++) {
        enum linux_argument kind = trace_kind(call, number, values, i);
        if (call->known && kind == LINUX_ARGUMENT_NONE)
            break;
        if (i != 0)
            trace_add(line, ", ");
        trace_add_argument(line, kind, values, i, result);
    }
    trace_add(line, ")");
    line->limit = sizeof(line->text); /* what was kept for the result */
}

static void trace_add_result(struct trace_line *line, uint64_t number, int64_t result)
{
    if (syscall_wants_restart(result) && number != __NR_rt_sigreturn)
        trace_add(line, " = ? (interrupted by a signal)");
    else if (result < 0 && result >= -4095) {
        trace_add(line, " = -1 ");
        trace_add_error(line, -result);
    } else if (number == __NR_mmap || number == __NR_brk || number == __NR_mremap)
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

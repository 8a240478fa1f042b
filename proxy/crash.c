/* Crash reports. Addresses from the kernel's image upwards belong to the kernel's ELF file, all
 * others to the program's. */
#include "proxy/crash.h"

#include "abi/hosted.h"
#include "proxy/lines.h"
#include "proxy/output.h"
#include "proxy/symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VECTOR_PAGE_FAULT 14

/* On either platform: what is the kernel's on `hosted` is nobody's on `pc`. */
static bool is_kernel(uint64_t address)
{
    return address >= HANDOVER_KERNEL_BASE ||
           (address >= HOSTED_KERNEL_BASE && address < HOSTED_STACK_BASE);
}

void crash_copy(struct shm_crash *copy, const struct shm_crash *untrusted)
{
    memcpy(copy, untrusted, sizeof(*copy));
    if (copy->frames > SHM_CRASH_FRAMES)
        copy->frames = SHM_CRASH_FRAMES;
    copy->message[sizeof(copy->message) - 1] = '\0';
    lines_clean(copy->message, strlen(copy->message));
}

const char *crash_signal_name(unsigned signal)
{
    /* By number, as on x86-64 Linux: the instance's program counts by them too. */
    return signal > 0 && signal < 32 ? sigabbrev_np((int)signal) : NULL;
}

static void signal_text(unsigned signal, char *buffer, size_t capacity)
{
    const char *name = crash_signal_name(signal);

    if (name)
        snprintf(buffer, capacity, "SIG%s", name);
    else
        snprintf(buffer, capacity, "signal %u", signal);
}

static void frame_resolve(struct symbols *kernel, struct symbols *program, uint64_t address,
                          bool is_return_address, struct crash_frame *frame)
{
    struct symbol symbol;

    symbols_find(is_kernel(address) ? kernel : program, address, is_return_address, &symbol);
    frame->address = address;
    frame->offset = symbol.offset;
    frame->line = symbol.line;
    memcpy(frame->function, symbol.function, sizeof(frame->function));
    memcpy(frame->file, symbol.file, sizeof(frame->file));
}

size_t crash_frames(const struct shm_crash *crash, const char *kernel, const char *program,
                    struct crash_frame *frames)
{
    struct symbols *kernel_symbols = symbols_open(kernel, 0);
    struct symbols *program_symbols = symbols_open(program, symbols_program_base(program));
    size_t count = crash->frames <= SHM_CRASH_FRAMES ? crash->frames : SHM_CRASH_FRAMES;

    for (size_t i = 0; i < count; i++)
        frame_resolve(kernel_symbols, program_symbols, crash->backtrace[i], i > 0, &frames[i]);
    symbols_close(kernel_symbols);
    symbols_close(program_symbols);
    return count;
}

static void frame_text(const struct crash_frame *frame, bool offset, char *buffer, size_t capacity)
{
    char place[160] = "", distance[32] = "";

    if (frame->file[0])
        snprintf(place, sizeof(place), " (%s:%d)", frame->file, frame->line);
    if (offset)
        snprintf(distance, sizeof(distance), "+0x%" PRIx64, frame->offset);
    if (frame->function[0])
        snprintf(buffer, capacity, "%s%s%s", frame->function, distance, place);
    else
        snprintf(buffer, capacity, "0x%" PRIx64 "%s", frame->address, place);
}

const char *crash_cause(const struct shm_crash *crash, const char *kernel, const char *program,
                        char *buffer, size_t capacity)
{
    struct crash_frame frames[SHM_CRASH_FRAMES];
    size_t count = crash_frames(crash, kernel, program, frames), shown = 0;
    char name[32], at[32] = "", where[400] = "", text[320];

    if (!crash->signal) {
        snprintf(buffer, capacity, "kernel panic%s%s", crash->message[0] ? ": " : "",
                 crash->message);
        return buffer;
    }
    signal_text(crash->signal, name, sizeof(name));
    if (crash->vector == VECTOR_PAGE_FAULT)
        snprintf(at, sizeof(at), " at 0x%" PRIx64, crash->address);
    /* The first frame of the program with a source line says most; abort() and the like die some
     * frames further in. */
    for (size_t i = 0; i < count; i++) {
        if (frames[i].file[0] && !is_kernel(frames[i].address)) {
            shown = i;
            break;
        }
    }
    if (count) {
        frame_text(&frames[shown], false, text, sizeof(text));
        snprintf(where, sizeof(where), " in %s", text);
    }
    snprintf(buffer, capacity, "%s%s%s", name, at, where);
    return buffer;
}

/* Four registers to a line, in the order that people read them in. */
static void report_registers(const struct shm_crash *crash, const char *prefix,
                             struct output_sink *sink)
{
    static const char names[][7] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi",
                                    "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                    "r12", "r13", "r14", "r15", "rip", "rflags"};
    char line[160];
    size_t count = sizeof(names) / sizeof(names[0]);

    for (size_t i = 0; i < count; i += 4) {
        int length = 0;

        for (size_t j = i; j < i + 4 && j < count; j++)
            length += snprintf(line + length, sizeof(line) - (size_t)length, "  %-3s %016" PRIx64,
                               names[j], crash->registers[j]);
        output_print(sink, "%s%s", prefix, line);
    }
}

void crash_report(const struct shm_crash *crash, const char *kernel, const char *program,
                  const char *prefix, struct output_sink *sink)
{
    struct crash_frame frames[SHM_CRASH_FRAMES];
    size_t count = crash_frames(crash, kernel, program, frames);
    char name[32] = "kernel panic", text[320];

    if (crash->signal)
        signal_text(crash->signal, name, sizeof(name));
    output_print(sink, "%scrashed: %s", prefix, crash->message[0] ? crash->message : name);
    if (crash->vector != UINT32_MAX)
        output_print(sink,
                     "%s  exception %u, error code 0x%" PRIx64 ", address 0x%" PRIx64
                     ", core %" PRIu64 ", thread %" PRIu64,
                     prefix, crash->vector, crash->error, crash->address, crash->core,
                     crash->thread);
    else
        output_print(sink, "%s  core %" PRIu64 ", thread %" PRIu64, prefix, crash->core,
                     crash->thread);
    report_registers(crash, prefix, sink);
    for (size_t i = 0; i < count; i++) {
        frame_text(&frames[i], true, text, sizeof(text));
        output_print(sink, "%s  #%-2zu 0x%016" PRIx64 " %s", prefix, i, frames[i].address,
                     frames[i].function[0] || frames[i].file[0] ? text : "?");
    }
}

/* The walk itself is elfutils' libdwfl; this file shows it the dead program as one thread of one
 * process, whose memory is the copied stack and nothing else. */
#include "proxy/unwind.h"

#include "proxy/symbols.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#define ONLY_THREAD 1
#define STACK_MAX (UINT64_C(1) << 20) /* bytes; more is not a crash record's */

struct walk {
    const struct unwind_state *state;
    uint64_t *addresses;
    size_t count, capacity;
};

/* DWARF's numbers for x86-64 (System V ABI, figure 3.36), 0..16. */
static const enum shm_crash_register dwarf_order[] = {
    SHM_RAX, SHM_RDX, SHM_RCX, SHM_RBX, SHM_RSI, SHM_RDI, SHM_RBP, SHM_RSP, SHM_R8,
    SHM_R9,  SHM_R10, SHM_R11, SHM_R12, SHM_R13, SHM_R14, SHM_R15, SHM_RIP,
};
#define DWARF_REGISTERS (sizeof(dwarf_order) / sizeof(dwarf_order[0]))

static pid_t next_thread(Dwfl *session, void *argument, void **thread)
{
    (void)session;
    if (*thread)
        return 0;
    *thread = argument;
    return ONLY_THREAD;
}

static bool get_thread(Dwfl *session, pid_t thread, void *argument, void **found)
{
    (void)session;
    *found = argument;
    return thread == ONLY_THREAD;
}

static bool read_memory(Dwfl *session, Dwarf_Addr address, Dwarf_Word *word, void *argument)
{
    const struct unwind_state *state = ((const struct walk *)argument)->state;
    uint64_t at = address - state->stack_address;

    (void)session;
    if (state->stack_length < sizeof(*word) || at > state->stack_length - sizeof(*word))
        return false;
    memcpy(word, state->stack + at, sizeof(*word));
    return true;
}

static bool set_registers(Dwfl_Thread *thread, void *argument)
{
    const struct unwind_state *state = ((const struct walk *)argument)->state;
    Dwarf_Word values[DWARF_REGISTERS];

    for (size_t i = 0; i < DWARF_REGISTERS; i++)
        values[i] = state->registers[dwarf_order[i]];
    dwfl_thread_state_register_pc(thread, state->registers[SHM_RIP]);
    return dwfl_thread_state_registers(thread, 0, DWARF_REGISTERS, values);
}

static int take_frame(Dwfl_Frame *frame, void *argument)
{
    struct walk *walk = argument;
    Dwarf_Addr address;

    if (!dwfl_frame_pc(frame, &address, NULL) || walk->count == walk->capacity)
        return DWARF_CB_ABORT;
    walk->addresses[walk->count++] = address;
    return DWARF_CB_OK;
}

size_t unwind_stack(const char *path, uint64_t base, const struct unwind_state *state,
                    uint64_t *addresses, size_t capacity)
{
    static const Dwfl_Thread_Callbacks threads = {
        .next_thread = next_thread,
        .get_thread = get_thread,
        .memory_read = read_memory,
        .set_initial_registers = set_registers,
    };
    struct walk walk = {.state = state, .addresses = addresses, .capacity = capacity};
    struct symbols *symbols = symbols_open(path, base);
    Dwfl *session = symbols_session(symbols);

    if (session && dwfl_attach_state(session, NULL, ONLY_THREAD, &threads, &walk))
        dwfl_getthread_frames(session, ONLY_THREAD, take_frame, &walk);
    symbols_close(symbols);
    return walk.count;
}

void unwind_crash(struct shm_crash *crash, const struct shm_view *view, uint32_t peer,
                  const char *program)
{
    const uint8_t *shared = NULL;
    uint64_t addresses[SHM_CRASH_FRAMES];
    struct unwind_state state = {.stack_address = crash->stack_address,
                                 .stack_length = crash->stack_length};

    if (crash->signal && crash->stack_length && crash->stack_length <= STACK_MAX)
        shared = shm_view_bytes(view, peer, crash->stack_offset, crash->stack_length);
    if (!shared)
        return;
    /* The walker reads words more than once: it gets a copy that the instance cannot change. */
    uint8_t *copy = malloc(crash->stack_length);
    if (!copy)
        return;
    memcpy(copy, shared, crash->stack_length);
    memcpy(state.registers, crash->registers, sizeof(state.registers));
    state.stack = copy;
    size_t count =
        unwind_stack(program, symbols_program_base(program), &state, addresses, SHM_CRASH_FRAMES);
    free(copy);
    /* One frame alone is the program counter: the tables do not cover it (a jump to nowhere). The
     * chain of frame pointers is then the better guess; otherwise it is the worse one. */
    if (count < 2)
        return;
    memcpy(crash->backtrace, addresses, count * sizeof(addresses[0]));
    crash->frames = count;
}

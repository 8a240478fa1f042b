/* Starting the program: its segments into the address space, its stack, its first thread. */
#include "instance/program.h"

#include "instance/arch/x86/arch.h"
#include "instance/arch/x86/cpu.h"
#include "instance/fs/file.h"
#include "instance/fs/vfs.h"
#include "instance/host.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/message/message.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"
#include "instance/sched/thread.h"
#include "instance/string.h"
#include "instance/syscall/signal.h"
#include "instance/syscall/syscall.h"

#include <asm/hwcap2.h>
#include <errno.h>
#include <linux/auxvec.h>
#include <linux/mman.h>

#define PROGRAM_STACK_BOTTOM (PROGRAM_TOP - PROGRAM_STACK_SIZE)
#define PROGRAM_LIMIT (PROGRAM_STACK_BOTTOM - PROGRAM_STACK_GUARD)
#define CPUID_FEATURES 1 /* leaf; EDX is AT_HWCAP */
#define CPUID_EXTENDED_FEATURES 7
#define CPUID_FSGSBASE 1 /* in EBX */

/* Maps the segments: pages come from the file in the lagoon as they are touched, read-only ones are
 * used in place; what lies behind the file's part is zero. */
static int program_map_segments(const struct program_layout *layout, const uint8_t *image,
                                uint64_t physical)
{
    for (size_t i = 0; i < layout->segment_count; i++) {
        const struct program_segment *segment = &layout->segments[i];
        uint64_t start = segment->address & ~(PAGE_SIZE - 1);
        uint64_t end = (segment->address + segment->memory_size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
        uint64_t lead = segment->address - start; /* bytes of the page before the segment */
        struct area_source source = {
            .bytes = image, .size = segment->offset + segment->file_size, .physical = physical};
        int64_t result = space_map(start, end - start, segment->protection, MAP_PRIVATE | MAP_FIXED,
                                   segment->file_size != 0 ? &source : NULL, segment->offset - lead,
                                   instance.handover->program_path);
        if (result < 0) {
            log_error("program: cannot map 0x%lx-0x%lx: error %ld", start, end, result);
            return (int)result;
        }
    }
    space_set_brk_start(layout->end);
    return 0;
}

static int program_map_stack(bool executable)
{
    int protection = PROT_READ | PROT_WRITE | (executable ? PROT_EXEC : 0);
    int64_t result =
        space_map(PROGRAM_STACK_BOTTOM, PROGRAM_STACK_SIZE, protection,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_STACK, NULL, 0, "[stack]");
    /* Keeps other mappings away from the stack's end. */
    if (result >= 0)
        result = space_map(PROGRAM_LIMIT, PROGRAM_STACK_GUARD, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, NULL);
    if (result < 0)
        log_error("program: cannot map its stack: error %ld", result);
    return result < 0 ? (int)result : 0;
}

/* Strings of the handover, in the lagoon: the extent is checked, the content is the stack's. */
static int program_find_strings(const struct machine_extent *extent, uint32_t count,
                                struct program_strings *out)
{
    if (extent->offset > instance.view.size || extent->size > instance.view.size - extent->offset)
        return -EINVAL;
    *out = (struct program_strings){(const char *)instance.lagoon + extent->offset, extent->size,
                                    count};
    return 0;
}

/* May the program use RDFSBASE and WRFSBASE? The kernel turns them on where the CPU has them. */
static bool program_has_fsgsbase(void)
{
    uint32_t features[4];
    cpu_cpuid(CPUID_EXTENDED_FEATURES, 0, features);
    return features[1] & CPUID_FSGSBASE;
}

/* Writes the process stack. Returns 0 with the stack pointer at *pointer. */
static int program_write_stack(const struct program_layout *layout, uint64_t *pointer)
{
    const struct handover *handover = instance.handover;
    uint32_t features[4];
    uint8_t random[16];
    cpu_cpuid(CPUID_FEATURES, 0, features);
    if (!platform_random(random, sizeof(random))) {
        log_warn("program: no source of random bytes; AT_RANDOM is the clock's");
        uint64_t seed[2] = {cpu_tsc(), platform_monotonic_ns()};
        memcpy(random, seed, sizeof(random));
    }
    uint64_t vdso;
    int error = program_map_vdso(&vdso);
    if (error != 0) {
        log_error("program: cannot map the vDSO: error %d", error);
        return error;
    }
    const struct program_auxiliary auxiliary[] = {
        {AT_SYSINFO_EHDR, vdso},
        {AT_PHDR, layout->headers},
        {AT_PHENT, 56},
        {AT_PHNUM, layout->header_count},
        {AT_PAGESZ, PAGE_SIZE},
        {AT_BASE, 0},
        {AT_FLAGS, 0},
        {AT_ENTRY, layout->entry},
        {AT_UID, 0},
        {AT_EUID, 0},
        {AT_GID, 0},
        {AT_EGID, 0},
        {AT_SECURE, 0},
        {AT_HWCAP, features[3]},
        {AT_HWCAP2, program_has_fsgsbase() ? HWCAP2_FSGSBASE : 0},
        {AT_CLKTCK, 100},
        {AT_MINSIGSTKSZ, signal_frame_size()},
    };
    struct program_stack_input input = {.path = handover->program_path,
                                        .random = random,
                                        .auxiliary = auxiliary,
                                        .auxiliary_count =
                                            sizeof(auxiliary) / sizeof(auxiliary[0])};
    error = program_find_strings(&handover->arguments, handover->argument_count, &input.arguments);
    if (error == 0)
        error = program_find_strings(&handover->environment, handover->environment_count,
                                     &input.environment);
    struct program_stack stack;
    if (error == 0)
        error = program_stack_build(&input, PROGRAM_TOP & ~UINT64_C(15), &stack);
    if (error != 0) {
        log_error("program: its %u arguments and %u environment strings do not fit: error %d",
                  handover->argument_count, handover->environment_count, error);
        return error;
    }
    error = user_write(stack.pointer, stack.bytes, stack.size);
    kfree(stack.bytes);
    if (error != 0) {
        log_error("program: no memory for its arguments on the stack");
        return -ENOMEM;
    }
    *pointer = stack.pointer;
    return 0;
}

static void program_name_thread(struct thread *thread)
{
    const char *path = instance.handover->program_path, *name = path;
    for (const char *at = path; *at != '\0'; at++) {
        if (*at == '/')
            name = at + 1;
    }
    format_to(thread->name, sizeof(thread->name), "%s", name);
}

uint64_t program_initial_stack;

int program_start(void)
{
    uint64_t size, physical, pointer = 0;
    const uint8_t *image = program_image(&size, &physical);
    struct program_layout layout;
    const char *why;

    int error = vfs_init();
    if (error != 0) {
        log_error("program: no memory for the file system's first nodes");
        return error;
    }
    error = program_file_init(image, size, instance.handover->program_path);
    if (error != 0)
        log_warn("the program cannot lie at '%s' (error %d): only /proc/self/exe leads to it",
                 instance.handover->program_path, error);
    error = file_table_init();
    if (error != 0) {
        log_error("program: no memory for its file descriptors");
        return error;
    }
    error = program_parse(image, size, PROGRAM_LIMIT, &layout, &why);
    if (error != 0) {
        log_error("program '%s': %s", instance.handover->program_path, why);
        return error;
    }
    error = program_map_segments(&layout, image, physical);
    if (error == 0)
        error = program_map_stack(layout.executable_stack);
    if (error == 0)
        error = program_write_stack(&layout, &pointer);
    kfree(layout.segments);
    if (error != 0)
        return error;

    struct trap_frame frame;
    memset(&frame, 0, sizeof(frame)); /* RDX = 0: nothing for the program to register with atexit */
    frame.vector = TRAP_RESTORED;
    frame.rip = layout.entry;
    frame.rsp = program_initial_stack = pointer;
    frame.rflags = RFLAGS_IF;
    frame.cs = arch_program_cs;
    frame.ss = arch_program_ss;
    struct thread *thread = thread_create(&frame, 0, NULL);
    if (thread == NULL) {
        log_error("program: no memory for its first thread");
        return -ENOMEM;
    }
    program_name_thread(thread);

    atomic_store_explicit(&instance.section->times.program_start, platform_monotonic_ns(),
                          memory_order_relaxed);
    atomic_store_explicit(&instance.section->state, SHM_STATE_RUNNING, memory_order_release);
    message_announce_running();
    host_announce_state();
    thread_start(thread);
    return 0;
}

/* See kernel.h. */
#include "tests/unit/syscall/kernel.h"

#include "instance/arch/x86/arch.h"
#include "instance/arch/x86/xstate.h"
#include "instance/fs/file.h"
#include "instance/log.h"
#include "instance/message/message.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/syscall/calls.h"
#include "instance/syscall/timers.h"

#include <asm/unistd_64.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

uint8_t *memory;
struct thread threads[THREADS];
int interrupted[THREADS];
size_t vector_size;
bool vector_xsave;
uint8_t vector_registers[4096];
unsigned vector_faults;
char log_kept[LOG_KEPT];
struct ending ending;
jmp_buf ending_jump;
int (*while_waiting)(uint64_t deadline);
unsigned notified;

struct instance instance;
struct core *cores;
uint32_t core_count = 1;
_Thread_local struct core *unit_test_core;
struct list thread_all;
struct spinlock thread_all_lock;
_Atomic uint32_t thread_count = THREADS;
enum machine_log log_level = MACHINE_LOG_DEBUG;

static struct core core;
static struct shm_section section;
static size_t log_length;
static uint64_t random_state;
static uint8_t *vector_areas;

/* Handlers that this suite does not link: they must be there, and are never called. */
#define LINUX_CALL(number, name, handler, ...)                                                     \
    __attribute__((weak)) int64_t handler(struct trap_frame *frame)                                \
    {                                                                                              \
        (void)frame;                                                                               \
        return number;                                                                             \
    }
#define LINUX_CALL_NONE(number, name, reason)
#include "abi/linux/calls.def"
#undef LINUX_CALL
#undef LINUX_CALL_NONE

/* Timers and polling are not linked either. */
void timers_signal_taken(int32_t timer, struct linux_siginfo *info)
{
    (void)timer;
    info->sender.uid = 7;
}

void timers_alarm_taken(void)
{
}

void file_notify(void)
{
    notified++;
}

/* --- Memory ----------------------------------------------------------------------------------- */

void *kmalloc(size_t size)
{
    void *result = NULL;
    return posix_memalign(&result, 64, size) == 0 ? result : NULL;
}

void *kzalloc(size_t size)
{
    void *result = kmalloc(size);
    return result != NULL ? memset(result, 0, size) : NULL;
}

void kfree(void *pointer)
{
    free(pointer);
}

static bool memory_has(uint64_t address, size_t length)
{
    uint64_t offset = address - memory_at(0);
    return offset <= MEMORY_SIZE && length <= MEMORY_SIZE - offset;
}

int user_read(void *to, uint64_t from, size_t length)
{
    if (!memory_has(from, length))
        return -EFAULT;
    memcpy(to, (const void *)(uintptr_t)from, length);
    return 0;
}

int user_write(uint64_t to, const void *from, size_t length)
{
    if (!memory_has(to, length))
        return -EFAULT;
    memcpy((void *)(uintptr_t)to, from, length);
    return 0;
}

int user_clear(uint64_t to, size_t length)
{
    if (!memory_has(to, length))
        return -EFAULT;
    memset((void *)(uintptr_t)to, 0, length);
    return 0;
}

int64_t user_read_string(char *to, uint64_t from, size_t capacity)
{
    for (size_t i = 0; i < capacity; i++) {
        if (user_read(&to[i], from + i, 1) != 0)
            return -EFAULT;
        if (to[i] == '\0')
            return (int64_t)i;
    }
    return -ENAMETOOLONG;
}

/* --- Threads ---------------------------------------------------------------------------------- */

struct thread *thread_find(int32_t id)
{
    return id >= 1 && id <= THREADS ? &threads[id - 1] : NULL;
}

void thread_interrupt(struct thread *thread)
{
    interrupted[thread - threads]++;
}

void thread_prepare_wait(bool interruptible)
{
    (void)interruptible;
}

void thread_cancel_wait(void)
{
}

int thread_wait(uint64_t deadline)
{
    return while_waiting != NULL ? while_waiting(deadline) : -EINTR;
}

uint64_t platform_monotonic_ns(void)
{
    static uint64_t now = 1000;
    return now += 1000;
}

void platform_relax(void)
{
}

/* --- Vector state ------------------------------------------------------------------------------
 */

size_t fpu_area_size(void)
{
    return vector_size;
}

uint64_t fpu_state_mask(void)
{
    return vector_xsave ? 7 : 0; /* x87, SSE, AVX */
}

void fpu_init_area(void *area)
{
    memset(area, 0, vector_size);
    memcpy(area, &(uint16_t){0x37f}, 2);
    memcpy((uint8_t *)area + XSTATE_MXCSR_OFFSET, &(uint32_t){0x1f80}, 4);
    memcpy((uint8_t *)area + XSTATE_MXCSR_MASK_OFFSET, &(uint32_t){0xffff}, 4);
}

void fpu_save(void *area)
{
    memcpy(area, vector_registers, vector_size);
}

/* As XRSTOR: refuses what the SDM (volume 1, 13.8) says that it faults on. */
void fpu_restore(const void *area)
{
    struct xstate_header header;
    uint32_t mxcsr;
    memcpy(&mxcsr, (const uint8_t *)area + XSTATE_MXCSR_OFFSET, sizeof(mxcsr));
    if (mxcsr & ~0xffffu)
        vector_faults++;
    if (vector_xsave) {
        memcpy(&header, (const uint8_t *)area + XSTATE_HEADER_OFFSET, sizeof(header));
        uint64_t reserved = header.compact;
        for (size_t i = 0; i < 6; i++)
            reserved |= header.reserved[i];
        if ((header.present & ~fpu_state_mask()) || reserved != 0)
            vector_faults++;
    }
    memcpy(vector_registers, area, vector_size);
}

/* --- The log and the ends ----------------------------------------------------------------------
 */

void log_write(enum machine_log level, const char *format, ...)
{
    va_list arguments;
    (void)level;
    va_start(arguments, format);
    size_t room = sizeof(log_kept) - log_length;
    int length = vsnprintf(log_kept + log_length, room, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length + 1 < room) {
        log_length += (size_t)length;
        log_kept[log_length++] = '\n';
        log_kept[log_length] = '\0';
    }
}

noreturn void kernel_end(int status)
{
    ending = (struct ending){.kind = END_STATUS, .value = status};
    longjmp(ending_jump, 1);
}

noreturn void kernel_crash(int signal, const struct trap_frame *frame, uint64_t address,
                           const char *message)
{
    (void)frame;
    ending = (struct ending){.kind = END_CRASH, .value = signal, .address = address};
    snprintf(ending.message, sizeof(ending.message), "%s", message);
    longjmp(ending_jump, 1);
}

/* --- For the tests -----------------------------------------------------------------------------
 */

uint64_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

void kernel_set_up(void)
{
    random_state = UINT64_C(0x9e3779b97f4a7c15);
    vector_size = 832;
    vector_xsave = true;
    if (memory == NULL)
        memory =
            mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    vector_areas = kzalloc(THREADS * 4096);
    list_init(&thread_all);
    memset(threads, 0, sizeof(threads));
    for (int i = 0; i < THREADS; i++) {
        threads[i].id = i + 1;
        threads[i].fpu = vector_areas + i * 4096;
        fpu_init_area(threads[i].fpu);
        list_append(&thread_all, &threads[i].all_link);
    }
    core.current = &threads[0];
    core.fpu_owner = &threads[0];
    threads[0].fpu_core = &core;
    fpu_init_area(vector_registers);
    unit_test_core = &core;
    instance.section = &section;
    cores = &core;
    syscall_init(false);
}

void set_handler(int signal, uint64_t handler, uint64_t flags, uint64_t mask)
{
    struct linux_sigaction action = {
        .handler = handler, .flags = flags | LINUX_SA_RESTORER, .restorer = RESTORER, .mask = mask};
    signal_action_exchange(signal, &action, NULL);
}

struct trap_frame call_frame(uint64_t number)
{
    struct trap_frame frame;
    memset(&frame, 0, sizeof(frame));
    memory[0] = 0x0f; /* the `syscall` instruction, at the memory's begin */
    memory[1] = 0x05;
    frame.vector = TRAP_SYSCALL;
    frame.error = frame.rax = number;
    frame.rip = memory_at(2);
    frame.rsp = memory_at(MEMORY_SIZE / 2);
    frame.rflags = 0x246;
    frame.cs = 8;
    frame.ss = 16;
    return frame;
}

int64_t call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct trap_frame frame = call_frame(number);
    frame.rdi = a;
    frame.rsi = b;
    frame.rdx = c;
    frame.r10 = d;
    syscall_dispatch(&frame);
    return (int64_t)frame.rax;
}

/* The private calls are tests/unit/message's; here it only matters that they are no Linux calls. */
int64_t message_call(struct trap_frame *frame)
{
    return (int64_t)frame->error;
}

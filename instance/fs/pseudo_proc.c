/* /proc: what runtimes and tools read about the machine and about themselves. */
#include "instance/fs/pseudo.h"

#include "instance/arch/x86/cpu.h"
#include "instance/kernel.h"
#include "instance/log.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/space.h"
#include "instance/mm/user.h"
#include "instance/platform/platform.h"
#include "instance/program.h"
#include "instance/sched/thread.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/magic.h>
#include <linux/mman.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_PER_TICK (NS_PER_SECOND / 100) /* USER_HZ */
#define KIB 1024

/* --- The machine ------------------------------------------------------------------------------ */

static uint64_t uptime_ns(void)
{
    return platform_monotonic_ns() - atomic_load(&instance.section->times.kernel_entry);
}

/* CPUID's name of the CPU, without the padding. */
static void cpu_name(char name[49])
{
    uint32_t words[12], highest[4];
    memset(words, 0, sizeof(words));
    cpu_cpuid(0x80000000, 0, highest);
    for (uint32_t i = 0; i < 3 && highest[0] >= 0x80000004; i++)
        cpu_cpuid(0x80000002 + i, 0, words + (size_t)i * 4);
    memcpy(name, words, 48);
    name[48] = '\0';
    while (*name == ' ')
        memmove(name, name + 1, strlen(name));
}

struct cpu_flag {
    uint8_t leaf, word, bit; /* leaf: 1, 7, or 0x81 for 0x80000001; word: 1 EBX, 2 ECX, 3 EDX */
    const char *name;
};
static const struct cpu_flag cpu_flags[] = {
    {1, 3, 0, "fpu"},         {1, 3, 4, "tsc"},         {1, 3, 5, "msr"},
    {1, 3, 6, "pae"},         {1, 3, 8, "cx8"},         {1, 3, 9, "apic"},
    {1, 3, 15, "cmov"},       {1, 3, 19, "clflush"},    {1, 3, 23, "mmx"},
    {1, 3, 24, "fxsr"},       {1, 3, 25, "sse"},        {1, 3, 26, "sse2"},
    {1, 3, 28, "ht"},         {0x81, 3, 11, "syscall"}, {0x81, 3, 20, "nx"},
    {0x81, 3, 26, "pdpe1gb"}, {0x81, 3, 27, "rdtscp"},  {0x81, 3, 29, "lm"},
    {1, 2, 0, "pni"},         {1, 2, 1, "pclmulqdq"},   {1, 2, 9, "ssse3"},
    {1, 2, 12, "fma"},        {1, 2, 13, "cx16"},       {1, 2, 19, "sse4_1"},
    {1, 2, 20, "sse4_2"},     {1, 2, 22, "movbe"},      {1, 2, 23, "popcnt"},
    {1, 2, 25, "aes"},        {1, 2, 26, "xsave"},      {1, 2, 28, "avx"},
    {1, 2, 29, "f16c"},       {1, 2, 30, "rdrand"},     {1, 2, 31, "hypervisor"},
    {7, 1, 0, "fsgsbase"},    {7, 1, 3, "bmi1"},        {7, 1, 5, "avx2"},
    {7, 1, 7, "smep"},        {7, 1, 8, "bmi2"},        {7, 1, 9, "erms"},
    {7, 1, 16, "avx512f"},    {7, 1, 18, "rdseed"},     {7, 1, 19, "adx"},
    {7, 1, 20, "smap"},       {7, 1, 29, "sha_ni"},
};

static void cpu_flag_names(struct pseudo_text *text)
{
    uint32_t basic[4], extended[4], structured[4];
    cpu_cpuid(1, 0, basic);
    cpu_cpuid(7, 0, structured);
    cpu_cpuid(0x80000001, 0, extended);
    for (size_t i = 0; i < sizeof(cpu_flags) / sizeof(cpu_flags[0]); i++) {
        const struct cpu_flag *flag = &cpu_flags[i];
        const uint32_t *words = flag->leaf == 1 ? basic : flag->leaf == 7 ? structured : extended;
        if (words[flag->word] >> flag->bit & 1)
            pseudo_print(text, " %s", flag->name);
    }
}

static void proc_cpuinfo(struct pseudo_text *text, uint64_t number)
{
    uint32_t leaf[4];
    char vendor[13], name[49];
    uint64_t mhz = instance.handover->clock.tsc_hz / 1000000;
    (void)number;
    cpu_cpuid(0, 0, leaf);
    memcpy(vendor, &leaf[1], 4);
    memcpy(vendor + 4, &leaf[3], 4);
    memcpy(vendor + 8, &leaf[2], 4);
    vendor[12] = '\0';
    cpu_name(name);
    cpu_cpuid(1, 0, leaf);
    uint32_t family = leaf[0] >> 8 & 15, model = (leaf[0] >> 4 & 15) | (leaf[0] >> 12 & 0xf0);
    if (family == 15)
        family += leaf[0] >> 20 & 0xff;
    for (uint32_t i = 0; i < core_count; i++) {
        pseudo_print(text, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", i,
                     vendor, family, model);
        pseudo_print(text, "model name\t: %s\nstepping\t: %u\ncpu MHz\t\t: %lu.000\n", name,
                     leaf[0] & 15, mhz);
        pseudo_print(text, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n",
                     core_count, i, core_count);
        pseudo_print(text, "apicid\t\t: %u\nfpu\t\t: yes\nflags\t\t:", cores[i].apic_id);
        cpu_flag_names(text);
        pseudo_print(text, "\nbogomips\t: %lu.00\nclflush size\t: 64\ncache_alignment\t: 64\n\n",
                     mhz * 2);
    }
}

static void proc_meminfo(struct pseudo_text *text, uint64_t number)
{
    struct frame_statistics memory;
    (void)number;
    frame_statistics(&memory);
    uint64_t free_kib = (memory.total - memory.used) / KIB;
    pseudo_print(text, "MemTotal:       %8lu kB\n", memory.total / KIB);
    pseudo_print(text, "MemFree:        %8lu kB\n", free_kib);
    pseudo_print(text, "MemAvailable:   %8lu kB\n", space_available() / KIB);
    pseudo_print(text, "Buffers:        %8lu kB\nCached:         %8lu kB\n", UINT64_C(0),
                 UINT64_C(0));
    pseudo_print(text, "SwapTotal:      %8lu kB\nSwapFree:       %8lu kB\n", UINT64_C(0),
                 UINT64_C(0));
    pseudo_print(text, "Slab:           %8lu kB\n", memory.kernel / KIB);
    pseudo_print(text, "HugePages_Total:%8lu\nHugePages_Free: %8lu\nHugepagesize:       2048 kB\n",
                 UINT64_C(0), UINT64_C(0));
}

static uint64_t program_ticks(void)
{
    return thread_cpu_time_all() / NS_PER_TICK;
}

static void proc_stat(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    uint64_t used = program_ticks(), all = uptime_ns() / NS_PER_TICK * core_count;
    uint64_t idle = all > used ? all - used : 0;
    pseudo_print(text, "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n", used, idle);
    for (uint32_t i = 0; i < core_count; i++)
        pseudo_print(text, "cpu%u %lu 0 0 %lu 0 0 0 0 0 0\n", i, used / core_count,
                     idle / core_count);
    pseudo_print(text, "ctxt %lu\nbtime %lu\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n",
                 atomic_load(&instance.section->counters.context_switches),
                 (platform_realtime_ns() - uptime_ns()) / NS_PER_SECOND);
}

static void proc_uptime(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    uint64_t up = uptime_ns() / (NS_PER_SECOND / 100), used = program_ticks();
    uint64_t idle = up * core_count > used ? up * core_count - used : 0;
    pseudo_print(text, "%lu.%02lu %lu.%02lu\n", up / 100, up % 100, idle / 100, idle % 100);
}

static void proc_loadavg(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    pseudo_print(text, "0.00 0.00 0.00 1/%u 1\n",
                 atomic_load_explicit(&thread_count, memory_order_relaxed));
}

static void proc_hostname(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    pseudo_print(text, "%s\n", instance.handover->name);
}

static void random_id(struct pseudo_text *text, bool fresh)
{
    static uint8_t boot[16];
    static _Atomic bool made;
    uint8_t bytes[16];
    if (!platform_random(bytes, sizeof(bytes)))
        memset(bytes, 0, sizeof(bytes));
    if (!fresh) {
        if (!atomic_exchange(&made, true))
            memcpy(boot, bytes, sizeof(boot));
        memcpy(bytes, boot, sizeof(boot));
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        pseudo_print(text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
    pseudo_print(text, "\n");
}

static void proc_boot_id(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    random_id(text, false);
}

static void proc_uuid(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    random_id(text, true);
}

/* --- The program ------------------------------------------------------------------------------ */

static bool map_line(const struct space_area *area, void *context)
{
    struct pseudo_text *text = context;
    size_t before = text->length;
    const char *name = area->name;
    if (name != NULL && strcmp(name, "[program]") == 0)
        name = instance.handover->program_path;
    pseudo_print(text, "%08lx-%08lx %c%c%c%c %08lx 00:00 0 ", area->start, area->end,
                 area->protection & PROT_READ ? 'r' : '-',
                 area->protection & PROT_WRITE ? 'w' : '-',
                 area->protection & PROT_EXEC ? 'x' : '-',
                 (area->flags & MAP_TYPE) == MAP_SHARED ? 's' : 'p', area->offset);
    if (name != NULL) {
        while (text->length - before < 73 && !text->failed)
            pseudo_add(text, " ", 1);
        pseudo_print(text, "%s", name);
    }
    pseudo_print(text, "\n");
    return !text->failed;
}

static void proc_maps(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    space_visit(map_line, text);
}

static bool map_size(const struct space_area *area, void *context)
{
    *(uint64_t *)context += area->end - area->start;
    return true;
}

/* Bytes of address space, and of memory in use by the program. */
static void program_memory(uint64_t *space_bytes, uint64_t *resident)
{
    struct frame_statistics memory;
    *space_bytes = 0;
    space_visit(map_size, space_bytes);
    frame_statistics(&memory);
    *resident = memory.used - memory.kernel;
}

/* A copy of the thread's own particulars. False: gone. */
struct thread_particulars {
    char name[THREAD_NAME_MAX];
    uint64_t cpu_ns;
    enum thread_state state;
    int32_t id;
    int nice;
};

static bool thread_copy(uint64_t id, struct thread_particulars *out)
{
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    struct thread *thread = thread_find((int32_t)id);
    if (thread != NULL) {
        memcpy(out->name, thread->name, sizeof(out->name));
        out->name[sizeof(out->name) - 1] = '\0';
        out->cpu_ns = thread_cpu_time(thread);
        out->state = atomic_load(&thread->state);
        out->id = thread->id;
        out->nice = thread->nice;
    }
    spin_unlock_irq(&thread_all_lock, saved);
    return thread != NULL;
}

/* `number` is a thread, or 0 for the process. */
static void proc_task_stat(struct pseudo_text *text, uint64_t number)
{
    struct thread_particulars thread = {.id = 1};
    uint64_t bytes, resident;
    uint64_t ticks = program_ticks();
    bool found = thread_copy(number != 0 ? number : 1, &thread);
    if (number != 0 && !found)
        return;
    if (number != 0)
        ticks = thread.cpu_ns / NS_PER_TICK;
    program_memory(&bytes, &resident);
    char state = number == 0 || thread.state != THREAD_WAITING ? 'R' : 'S';
    pseudo_print(text, "%d (%s) %c 0 1 1 0 -1 0 0 0 0 0 %lu 0 0 0 %d %d %u 0 1 %lu %lu ", thread.id,
                 thread.name, state, ticks, 20 + thread.nice, thread.nice,
                 atomic_load_explicit(&thread_count, memory_order_relaxed), bytes,
                 resident / PAGE_SIZE);
    pseudo_print(text, "18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 "
                       "0 0\n");
}

static void proc_task_status(struct pseudo_text *text, uint64_t number)
{
    struct thread_particulars thread = {.id = 1};
    uint64_t bytes, resident;
    if (!thread_copy(number != 0 ? number : 1, &thread) && number != 0)
        return;
    program_memory(&bytes, &resident);
    uint32_t mask = vfs_umask();
    pseudo_print(text, "Name:\t%s\nUmask:\t0%u%u%u\nState:\tR (running)\n", thread.name, mask >> 6,
                 mask >> 3 & 7, mask & 7);
    pseudo_print(text, "Tgid:\t1\nNgid:\t0\nPid:\t%d\nPPid:\t0\nTracerPid:\t0\n", thread.id);
    pseudo_print(text, "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t%d\nGroups:\t \n",
                 file_descriptor_end());
    pseudo_print(text, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n",
                 bytes / KIB, bytes / KIB, resident / KIB, resident / KIB);
    pseudo_print(text, "Threads:\t%u\n", atomic_load_explicit(&thread_count, memory_order_relaxed));
    pseudo_print(text, "Cpus_allowed_list:\t");
    pseudo_core_list(text, 0);
    pseudo_print(text, "Mems_allowed_list:\t0\n");
}

static void proc_comm(struct pseudo_text *text, uint64_t number)
{
    struct thread_particulars thread;
    if (thread_copy(number != 0 ? number : 1, &thread))
        pseudo_print(text, "%s\n", thread.name);
}

static void proc_statm(struct pseudo_text *text, uint64_t number)
{
    uint64_t bytes, resident;
    (void)number;
    program_memory(&bytes, &resident);
    pseudo_print(text, "%lu %lu 0 0 0 %lu 0\n", bytes / PAGE_SIZE, resident / PAGE_SIZE,
                 resident / PAGE_SIZE);
}

static void handed_strings(struct pseudo_text *text, const struct machine_extent *extent)
{
    if (extent->offset <= instance.view.size && extent->size <= instance.view.size - extent->offset)
        pseudo_add(text, instance.lagoon + extent->offset, extent->size);
}

static void proc_cmdline(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    handed_strings(text, &instance.handover->arguments);
}

static void proc_environ(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    handed_strings(text, &instance.handover->environment);
}

/* From where the program found it: behind the environment's pointers on its stack. */
static void proc_auxv(struct pseudo_text *text, uint64_t number)
{
    uint64_t at = program_initial_stack, pair[2];
    (void)number;
    at += 8 * (2 + (uint64_t)instance.handover->argument_count +
               (uint64_t)instance.handover->environment_count + 1);
    do {
        if (user_read(pair, at, sizeof(pair)) != 0)
            return;
        pseudo_add(text, pair, sizeof(pair));
        at += sizeof(pair);
    } while (pair[0] != 0 && !text->failed);
}

static void mount_lines(struct pseudo_text *text, const struct vfs_mount *mount)
{
    if (mount == NULL)
        return;
    mount_lines(text, mount->next); /* the oldest first; there are few */
    pseudo_print(text, "%s %s %s %s,relatime 0 0\n", mount->type, mount->path, mount->type,
                 mount->read_only ? "ro" : "rw");
}

static void proc_mounts(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    mount_lines(text, atomic_load(&vfs_mounts));
}

static void proc_limits(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    pseudo_print(text, "%-26s%-21s%-21s%-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    pseudo_print(text, "%-26s%-21s%-21s%-10s\n", "Max stack size", "8388608", "8388608", "bytes");
    pseudo_print(text, "%-26s%-21u%-21u%-10s\n", "Max open files", 1024u, FILE_DESCRIPTORS_MAX,
                 "files");
    pseudo_print(text, "%-26s%-21s%-21s%-10s\n", "Max address space", "unlimited", "unlimited",
                 "bytes");
}

static int64_t copy_target(const char *text, char *to, size_t capacity)
{
    size_t length = strlen(text);
    if (length > capacity)
        length = capacity;
    /* readlink gives no NUL. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy(to, text, length);
    return (int64_t)length;
}

static int64_t exe_target(uint64_t number, char *to, size_t capacity)
{
    (void)number;
    return copy_target(instance.handover->program_path, to, capacity);
}

/* The program's own file, as it was handed over: runtimes read it for their symbols. */
static int exe_follow(uint64_t number, struct file **file)
{
    (void)number;
    return program_file_open(file);
}

static int64_t cwd_target(uint64_t number, char *to, size_t capacity)
{
    (void)number;
    char *path = kmalloc(VFS_PATH_MAX);
    if (path == NULL)
        return -ENOMEM;
    struct vfs_node *directory = vfs_working_directory();
    int64_t length = vfs_directory_path(directory, path);
    vfs_put(directory);
    if (length >= 0)
        length = copy_target(path, to, capacity);
    kfree(path);
    return length;
}

static int64_t thread_self_target(uint64_t number, char *to, size_t capacity)
{
    char text[32];
    (void)number;
    format_to(text, sizeof(text), "1/task/%d", thread_current()->id);
    return copy_target(text, to, capacity);
}

static uint64_t only_process(uint64_t from)
{
    return from <= 1 ? 1 : UINT64_MAX;
}

static uint64_t next_thread(uint64_t from)
{
    uint64_t best = UINT64_MAX;
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    for (struct list *at = thread_all.next; at != &thread_all; at = at->next) {
        uint64_t id = (uint64_t)(uint32_t)LIST_ENTRY(at, struct thread, all_link)->id;
        if (id >= from && id < best)
            best = id;
    }
    spin_unlock_irq(&thread_all_lock, saved);
    return best;
}

static uint64_t next_descriptor(uint64_t from)
{
    uint64_t end = (uint64_t)file_descriptor_end();
    for (; from < end; from++) {
        struct file *file = file_get((int)from);
        if (file == NULL)
            continue;
        file_put(file);
        return from;
    }
    return UINT64_MAX;
}

static int64_t descriptor_target(uint64_t number, char *to, size_t capacity)
{
    struct file *file = file_get((int)number);
    struct file_status status;
    char text[48];
    if (file == NULL)
        return -ENOENT;
    int64_t result = -ENOENT;
    if (file->path != NULL) {
        result = copy_target(file->path, to, capacity);
    } else if (file->operations->status != NULL && file->operations->status(file, &status) == 0) {
        if ((status.mode & FILE_TYPE_MASK) == FILE_TYPE_CHARACTER)
            format_to(text, sizeof(text), "/dev/tty");
        else if ((status.mode & FILE_TYPE_MASK) == FILE_TYPE_PIPE)
            format_to(text, sizeof(text), "pipe:[%lu]", status.inode);
        else
            format_to(text, sizeof(text), "anon_inode:[%lu]", status.inode);
        result = copy_target(text, to, capacity);
    }
    file_put(file);
    return result;
}

static int descriptor_follow(uint64_t number, struct file **file)
{
    *file = file_get((int)number);
    return *file != NULL ? 0 : -ENOENT;
}

#define SELF "#"

static const struct pseudo_entry entries[] = {
    {.path = "", .mode = PSEUDO_DIRECTORY},
    {.path = "self", .mode = PSEUDO_LINK, .constant = "1"},
    {.path = "thread-self", .mode = PSEUDO_LINK, .target = thread_self_target},
    {.path = "mounts", .mode = PSEUDO_LINK, .constant = "self/mounts"},
    {.path = "cpuinfo", .mode = PSEUDO_FILE, .text = proc_cpuinfo},
    {.path = "meminfo", .mode = PSEUDO_FILE, .text = proc_meminfo},
    {.path = "stat", .mode = PSEUDO_FILE, .text = proc_stat},
    {.path = "uptime", .mode = PSEUDO_FILE, .text = proc_uptime},
    {.path = "loadavg", .mode = PSEUDO_FILE, .text = proc_loadavg},
    {.path = "version", .mode = PSEUDO_FILE, .constant = "Linux version 6.1.0-atoll\n"},
    {.path = "cmdline", .mode = PSEUDO_FILE, .constant = "\n"},
    {.path = "filesystems",
     .mode = PSEUDO_FILE,
     .constant = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tatoll\n"},
    {.path = SELF, .mode = PSEUDO_DIRECTORY, .next = only_process},
    {.path = SELF "/maps", .mode = PSEUDO_FILE, .text = proc_maps},
    {.path = SELF "/exe", .mode = PSEUDO_LINK, .target = exe_target, .follow = exe_follow},
    {.path = SELF "/cwd", .mode = PSEUDO_LINK, .target = cwd_target},
    {.path = SELF "/root", .mode = PSEUDO_LINK, .constant = "/"},
    {.path = SELF "/status", .mode = PSEUDO_FILE, .text = proc_task_status},
    {.path = SELF "/stat", .mode = PSEUDO_FILE, .text = proc_task_stat},
    {.path = SELF "/statm", .mode = PSEUDO_FILE, .text = proc_statm},
    {.path = SELF "/comm", .mode = PSEUDO_FILE, .text = proc_comm},
    {.path = SELF "/cmdline", .mode = PSEUDO_FILE, .text = proc_cmdline},
    {.path = SELF "/environ", .mode = PSEUDO_FILE, .text = proc_environ},
    {.path = SELF "/auxv", .mode = PSEUDO_FILE, .text = proc_auxv},
    {.path = SELF "/mounts", .mode = PSEUDO_FILE, .text = proc_mounts},
    {.path = SELF "/limits", .mode = PSEUDO_FILE, .text = proc_limits},
    {.path = SELF "/cgroup", .mode = PSEUDO_FILE, .constant = "0::/\n"},
    {.path = SELF "/oom_score_adj", .mode = PSEUDO_FILE, .constant = "0\n"},
    {.path = SELF "/fd", .mode = FILE_TYPE_DIRECTORY | 0500},
    {.path = SELF "/fd/#",
     .mode = PSEUDO_LINK,
     .next = next_descriptor,
     .target = descriptor_target,
     .follow = descriptor_follow},
    {.path = SELF "/task", .mode = PSEUDO_DIRECTORY},
    {.path = SELF "/task/#", .mode = PSEUDO_DIRECTORY, .next = next_thread},
    {.path = SELF "/task/#/stat", .mode = PSEUDO_FILE, .text = proc_task_stat},
    {.path = SELF "/task/#/status", .mode = PSEUDO_FILE, .text = proc_task_status},
    {.path = SELF "/task/#/comm", .mode = PSEUDO_FILE, .text = proc_comm},
    {.path = SELF "/task/#/maps", .mode = PSEUDO_FILE, .text = proc_maps},
    {.path = "sys", .mode = PSEUDO_DIRECTORY},
    {.path = "sys/kernel", .mode = PSEUDO_DIRECTORY},
    {.path = "sys/kernel/ostype", .mode = PSEUDO_FILE, .constant = "Linux\n"},
    {.path = "sys/kernel/osrelease", .mode = PSEUDO_FILE, .constant = "6.1.0-atoll\n"},
    {.path = "sys/kernel/hostname", .mode = PSEUDO_FILE, .text = proc_hostname},
    {.path = "sys/kernel/pid_max", .mode = PSEUDO_FILE, .constant = "4194304\n"},
    {.path = "sys/kernel/threads-max", .mode = PSEUDO_FILE, .constant = "4194304\n"},
    {.path = "sys/kernel/ngroups_max", .mode = PSEUDO_FILE, .constant = "65536\n"},
    {.path = "sys/kernel/cap_last_cap", .mode = PSEUDO_FILE, .constant = "40\n"},
    {.path = "sys/kernel/random", .mode = PSEUDO_DIRECTORY},
    {.path = "sys/kernel/random/boot_id", .mode = PSEUDO_FILE, .text = proc_boot_id},
    {.path = "sys/kernel/random/uuid", .mode = PSEUDO_FILE, .text = proc_uuid},
    {.path = "sys/kernel/random/entropy_avail", .mode = PSEUDO_FILE, .constant = "256\n"},
    {.path = "sys/vm", .mode = PSEUDO_DIRECTORY},
    {.path = "sys/vm/overcommit_memory", .mode = PSEUDO_FILE, .constant = "0\n"},
    {.path = "sys/vm/max_map_count", .mode = PSEUDO_FILE, .constant = "2147483647\n"},
    {.path = "sys/vm/mmap_min_addr", .mode = PSEUDO_FILE, .constant = "65536\n"},
    {.path = "sys/fs", .mode = PSEUDO_DIRECTORY},
    {.path = "sys/fs/file-max", .mode = PSEUDO_FILE, .constant = "9223372036854775807\n"},
    {.path = "sys/fs/nr_open", .mode = PSEUDO_FILE, .constant = "1048576\n"},
    {.path = "sys/fs/pipe-max-size", .mode = PSEUDO_FILE, .constant = "1048576\n"},
    {.path = "sys/net", .mode = PSEUDO_DIRECTORY},
    {.path = "sys/net/core", .mode = PSEUDO_DIRECTORY},
    {.path = "sys/net/core/somaxconn", .mode = PSEUDO_FILE, .constant = "4096\n"},
};

const struct pseudo_tree pseudo_proc = {"/proc", "proc", PROC_SUPER_MAGIC, entries,
                                        sizeof(entries) / sizeof(entries[0])};

/* /sys, as far as runtimes look: the cores of this instance, and large pages. */
#include "instance/fs/pseudo.h"

#include "instance/core.h"

#include <linux/magic.h>

static void kernel_max(struct pseudo_text *text, uint64_t number)
{
    (void)number;
    pseudo_print(text, "%u\n", core_count - 1);
}

static void core_number(struct pseudo_text *text, uint64_t number)
{
    pseudo_print(text, "%lu\n", number);
}

static uint64_t only_node(uint64_t from)
{
    return from == 0 ? 0 : UINT64_MAX;
}

#define CPU "devices/system/cpu"
#define NODE "devices/system/node"
#define HUGE "kernel/mm/transparent_hugepage"

static const struct pseudo_entry entries[] = {
    {.path = "", .mode = PSEUDO_DIRECTORY},
    {.path = "devices", .mode = PSEUDO_DIRECTORY},
    {.path = "devices/system", .mode = PSEUDO_DIRECTORY},
    {.path = CPU, .mode = PSEUDO_DIRECTORY},
    {.path = CPU "/online", .mode = PSEUDO_FILE, .text = pseudo_core_list},
    {.path = CPU "/possible", .mode = PSEUDO_FILE, .text = pseudo_core_list},
    {.path = CPU "/present", .mode = PSEUDO_FILE, .text = pseudo_core_list},
    {.path = CPU "/offline", .mode = PSEUDO_FILE, .constant = "\n"},
    {.path = CPU "/kernel_max", .mode = PSEUDO_FILE, .text = kernel_max},
    {.path = CPU "/cpu#", .mode = PSEUDO_DIRECTORY, .next = pseudo_next_core},
    {.path = CPU "/cpu#/online", .mode = PSEUDO_FILE, .constant = "1\n"},
    {.path = CPU "/cpu#/topology", .mode = PSEUDO_DIRECTORY},
    {.path = CPU "/cpu#/topology/core_id", .mode = PSEUDO_FILE, .text = core_number},
    {.path = CPU "/cpu#/topology/physical_package_id", .mode = PSEUDO_FILE, .constant = "0\n"},
    {.path = CPU "/cpu#/topology/thread_siblings_list", .mode = PSEUDO_FILE, .text = core_number},
    {.path = CPU "/cpu#/topology/core_siblings_list",
     .mode = PSEUDO_FILE,
     .text = pseudo_core_list},
    {.path = NODE, .mode = PSEUDO_DIRECTORY},
    {.path = NODE "/online", .mode = PSEUDO_FILE, .constant = "0\n"},
    {.path = NODE "/possible", .mode = PSEUDO_FILE, .constant = "0\n"},
    {.path = NODE "/node#", .mode = PSEUDO_DIRECTORY, .next = only_node},
    {.path = NODE "/node#/cpulist", .mode = PSEUDO_FILE, .text = pseudo_core_list},
    {.path = "kernel", .mode = PSEUDO_DIRECTORY},
    {.path = "kernel/mm", .mode = PSEUDO_DIRECTORY},
    {.path = HUGE, .mode = PSEUDO_DIRECTORY},
    {.path = HUGE "/enabled", .mode = PSEUDO_FILE, .constant = "[always] madvise never\n"},
    {.path = HUGE "/defrag",
     .mode = PSEUDO_FILE,
     .constant = "always defer defer+madvise [madvise] never\n"},
    {.path = HUGE "/hpage_pmd_size", .mode = PSEUDO_FILE, .constant = "2097152\n"},
};

const struct pseudo_tree pseudo_sys = {"/sys", "sysfs", SYSFS_MAGIC, entries,
                                       sizeof(entries) / sizeof(entries[0])};

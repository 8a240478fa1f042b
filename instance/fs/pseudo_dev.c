/* /dev: the devices that programs expect everywhere. */
#include "instance/fs/pseudo.h"

#include "instance/fs/console.h"
#include "instance/kernel.h"
#include "instance/mm/kmalloc.h"
#include "instance/platform/platform.h"
#include "instance/string.h"
#include "instance/syscall/syscall.h"

#include <errno.h>
#include <linux/magic.h>

#define DEVICE(major, minor) ((uint64_t)(major) << 8 | (minor))
#define DEVICE_MODE (FILE_TYPE_CHARACTER | 0666)

static int64_t null_read(struct file_cursor *to, uint64_t length)
{
    (void)to;
    (void)length;
    return 0;
}

static int64_t null_write(struct file_cursor *from, uint64_t length)
{
    (void)from;
    return (int64_t)length;
}

static int64_t full_write(struct file_cursor *from, uint64_t length)
{
    (void)from;
    (void)length;
    return -ENOSPC;
}

static int64_t zero_read(struct file_cursor *to, uint64_t length)
{
    static const uint8_t zeros[4096];
    uint64_t done = 0;
    while (done < length) {
        uint64_t piece = length - done < sizeof(zeros) ? length - done : sizeof(zeros);
        if (file_cursor_write(to, zeros, piece) != 0)
            return done != 0 ? (int64_t)done : -EFAULT;
        done += piece;
        if (done < length && signal_deliverable())
            break;
    }
    return (int64_t)done;
}

static int64_t random_read(struct file_cursor *to, uint64_t length)
{
    uint8_t bytes[256];
    uint64_t done = 0;
    while (done < length) {
        uint64_t piece = length - done < sizeof(bytes) ? length - done : sizeof(bytes);
        if (!platform_random(bytes, piece))
            return done != 0 ? (int64_t)done : -EIO;
        if (file_cursor_write(to, bytes, piece) != 0)
            return done != 0 ? (int64_t)done : -EFAULT;
        done += piece;
        if (done < length && signal_deliverable())
            break;
    }
    return (int64_t)done;
}

/* What is written is not mixed in: the source is the CPU's. */
static int64_t random_write(struct file_cursor *from, uint64_t length)
{
    return null_write(from, length);
}

/* The terminal, if the instance has one: input and output in one file. */
static int tty_open(struct file *file)
{
    (void)file;
    return instance.handover->flags & MACHINE_FLAG_TTY ? 0 : -ENXIO;
}

static int64_t tty_read(struct file_cursor *to, uint64_t length)
{
    (void)length;
    return console_read_vectors(to->vectors, to->count, false);
}

static int64_t tty_write(struct file_cursor *from, uint64_t length)
{
    (void)length;
    return console_write_vectors(1, from->vectors, from->count);
}

static int64_t tty_control(uint32_t request, uint64_t argument)
{
    struct file *file = console_file(1);
    if (file == NULL)
        return -ENOMEM;
    int64_t result = file->operations->control(file, request, argument);
    file_put(file);
    return result;
}

static const struct pseudo_entry entries[] = {
    {.path = "", .mode = FILE_TYPE_DIRECTORY | 0755},
    {.path = "null",
     .mode = DEVICE_MODE,
     .special = DEVICE(1, 3),
     .read = null_read,
     .write = null_write},
    {.path = "zero",
     .mode = DEVICE_MODE,
     .special = DEVICE(1, 5),
     .read = zero_read,
     .write = null_write},
    {.path = "full",
     .mode = DEVICE_MODE,
     .special = DEVICE(1, 7),
     .read = zero_read,
     .write = full_write},
    {.path = "random",
     .mode = DEVICE_MODE,
     .special = DEVICE(1, 8),
     .read = random_read,
     .write = random_write},
    {.path = "urandom",
     .mode = DEVICE_MODE,
     .special = DEVICE(1, 9),
     .read = random_read,
     .write = random_write},
    {.path = "tty",
     .mode = DEVICE_MODE,
     .special = DEVICE(5, 0),
     .open = tty_open,
     .read = tty_read,
     .write = tty_write,
     .control = tty_control},
    {.path = "fd", .mode = PSEUDO_LINK, .constant = "/proc/self/fd"},
    {.path = "stdin", .mode = PSEUDO_LINK, .constant = "/proc/self/fd/0"},
    {.path = "stdout", .mode = PSEUDO_LINK, .constant = "/proc/self/fd/1"},
    {.path = "stderr", .mode = PSEUDO_LINK, .constant = "/proc/self/fd/2"},
    {.path = "shm", .mode = FILE_TYPE_DIRECTORY | 01777},
};

const struct pseudo_tree pseudo_dev = {"/dev", "devtmpfs", TMPFS_MAGIC, entries,
                                       sizeof(entries) / sizeof(entries[0])};

/* signalfd: signals that the reading thread, or the process, has pending are taken by reading. */
#include "instance/fs/event.h"

#include "instance/mm/kmalloc.h"
#include "instance/string.h"
#include "instance/syscall/restart.h"
#include "instance/syscall/signal.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/signalfd.h>

#define SI_CODE_TIMER (-2)

struct signalfd {
    struct file file;
    _Atomic uint64_t set;
};

static void signalfd_tell(struct signalfd_siginfo *to, const struct linux_siginfo *from)
{
    memset(to, 0, sizeof(*to));
    to->ssi_signo = (uint32_t)from->signal;
    to->ssi_errno = from->error;
    to->ssi_code = from->code;
    if (from->code == SI_CODE_TIMER) {
        to->ssi_tid = (uint32_t)from->sender.pid;
        to->ssi_overrun = from->sender.uid;
    } else {
        to->ssi_pid = (uint32_t)from->sender.pid;
        to->ssi_uid = from->sender.uid;
    }
    if (from->code == SI_CODE_TIMER || from->code == LINUX_SI_QUEUE) {
        to->ssi_ptr = from->sender.value;
        to->ssi_int = (int32_t)from->sender.value;
    }
}

/* One signal, waiting for it if `wait`: 0 or a negative errno value. */
static int signalfd_take(struct signalfd *signalfd, struct linux_siginfo *info, bool wait)
{
    for (;;) {
        uint64_t seen = file_notifications(); /* what comes after this look is not missed */
        if (signal_take(atomic_load(&signalfd->set), info))
            return 0;
        if (!wait)
            return -EAGAIN;
        if (file_wait(seen, 0) == -EINTR)
            return -ERESTARTSYS;
    }
}

static int64_t signalfd_read(struct file *file, const struct file_vector *vectors, size_t count)
{
    struct signalfd *signalfd = (struct signalfd *)file;
    struct file_cursor cursor = {.vectors = vectors, .count = count};
    uint64_t room = file_cursor_left(&cursor) / sizeof(struct signalfd_siginfo);
    bool wait = !(atomic_load_explicit(&file->flags, memory_order_relaxed) & O_NONBLOCK);
    int64_t done = 0;
    if (room == 0)
        return -EINVAL;
    for (; room != 0; room--) {
        struct linux_siginfo info;
        struct signalfd_siginfo told;
        int error = signalfd_take(signalfd, &info, wait && done == 0);
        if (error == 0) {
            signalfd_tell(&told, &info);
            error = file_cursor_write(&cursor, &told, sizeof(told));
        }
        if (error != 0)
            return done != 0 ? done : error;
        done += (int64_t)sizeof(told);
    }
    return done;
}

static uint32_t signalfd_poll(struct file *file)
{
    struct signalfd *signalfd = (struct signalfd *)file;
    return signal_pending_set() & atomic_load(&signalfd->set) ? POLLIN : 0;
}

static int signalfd_status(struct file *file, struct file_status *status)
{
    memset(status, 0, sizeof(*status));
    status->inode = file->serial;
    status->mode = 0600; /* as on Linux: no type */
    status->block_size = 4096;
    return 0;
}

static const struct file_operations signalfd_operations = {
    .read = signalfd_read,
    .status = signalfd_status,
    .poll = signalfd_poll,
};

struct file *signalfd_file(uint64_t set, uint32_t flags)
{
    struct signalfd *signalfd = kzalloc(sizeof(*signalfd));
    if (signalfd == NULL)
        return NULL;
    signalfd->file.operations = &signalfd_operations;
    atomic_init(&signalfd->file.references, 1);
    atomic_init(&signalfd->file.flags, O_RDWR | flags);
    atomic_init(&signalfd->set, set);
    signal_watch(set);
    return &signalfd->file;
}

int signalfd_set(struct file *file, uint64_t set)
{
    if (file->operations != &signalfd_operations)
        return -EINVAL;
    atomic_store(&((struct signalfd *)file)->set, set);
    signal_watch(set);
    file_notify();
    return 0;
}

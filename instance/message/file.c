/* Channels' ends, ports and gates as open files, for poll and epoll and nothing else: their data
 * goes no way through the kernel. Ready to read: a message, a channel to accept; ready to write:
 * room for the message that did not fit. */
#include "instance/message/private.h"

#include "instance/fs/file.h"
#include "instance/mm/kmalloc.h"
#include "instance/string.h"
#include "shm/fence.h"

#include <errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

struct message_file {
    struct file file;
    uint64_t id;
};

static uint32_t message_file_poll(struct file *file)
{
    const struct message_file *at = (const struct message_file *)file;
    uint32_t events = POLLHUP;
    uint64_t saved = spin_lock_irq(&host_lock);
    struct message_object *object = object_find(at->id);
    if (object != NULL) {
        /* A doorbell has poll look again; armed even when it is ready, because who is told of
         * changes only (EPOLLET) will not look in between. */
        object->polled = true;
        object_arm(object);
        shm_fence();
        enum message_readiness ready = object_settle(object);
        events = object->kind == OBJECT_SENDER ? POLLOUT : POLLIN;
        if (ready == READY_BROKEN)
            events |= POLLHUP;
        else if (ready == NOT_READY)
            events = 0;
    }
    spin_unlock_irq(&host_lock, saved);
    return events;
}

static int message_file_status(struct file *file, struct file_status *status)
{
    memset(status, 0, sizeof(*status));
    status->inode = ((const struct message_file *)file)->id;
    status->mode = 0600; /* as Linux has eventfd: no type */
    status->block_size = 4096;
    return 0;
}

static const struct file_operations message_file_operations = {
    .status = message_file_status,
    .poll = message_file_poll,
};

int64_t message_file_open(uint64_t id)
{
    uint64_t saved = spin_lock_irq(&host_lock);
    const struct message_object *object = object_find(id);
    bool waits = object != NULL && object->kind != OBJECT_COUNTER && object->kind != OBJECT_WINDOW;
    spin_unlock_irq(&host_lock, saved);
    if (!waits)
        return object == NULL ? -ENOENT : -EINVAL;
    struct message_file *at = kzalloc(sizeof(*at));
    if (at == NULL)
        return -ENOMEM;
    at->file.operations = &message_file_operations;
    atomic_init(&at->file.references, 1);
    atomic_init(&at->file.flags, O_RDWR);
    at->id = id;
    int descriptor = file_install(&at->file, 0, true);
    if (descriptor < 0)
        file_put(&at->file);
    return descriptor;
}

/* poll, select and their relatives: look at files until one has something to tell, the time is up
 * or a signal comes. select is poll with its descriptors in bit sets. */
#include "instance/syscall/poll.h"
#include "instance/syscall/calls.h"
#include "instance/syscall/signal.h"

#include "instance/fs/file.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/poll.h>
#include <linux/time_types.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define POLL_ALWAYS (POLLERR | POLLHUP | POLLNVAL) /* told whether asked for or not */

/* Reads a struct timespec (`unit` 1) or timeval (`unit` 1000, its second word in microseconds); 0:
 * no limit. Returns 0, -EFAULT or -EINVAL. */
int poll_read_time(uint64_t at, int64_t unit, struct poll_time *time)
{
    struct __kernel_timespec value;
    *time = (struct poll_time){.wait = true};
    if (at == 0)
        return 0;
    if (user_read(&value, at, sizeof(value)) != 0)
        return -EFAULT;
    if (value.tv_sec < 0 || value.tv_nsec < 0 || value.tv_nsec >= NS_PER_SECOND / unit)
        return -EINVAL;
    time->wait = value.tv_sec != 0 || value.tv_nsec != 0;
    if (value.tv_sec < INT64_MAX / 4 / NS_PER_SECOND) /* else: for ever, as good as */
        time->deadline = platform_monotonic_ns() +
                         (uint64_t)(value.tv_sec * NS_PER_SECOND + value.tv_nsec * unit);
    return 0;
}

/* One look at all of them. Returns how many have something to tell. */
static int64_t poll_look(struct pollfd *entries, uint64_t count)
{
    int64_t ready = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct pollfd *entry = &entries[i];
        entry->revents = 0;
        if (entry->fd < 0)
            continue;
        struct file *file = file_get(entry->fd);
        uint32_t events = POLLNVAL;
        if (file != NULL) {
            events =
                file->operations->poll != NULL ? file->operations->poll(file) : POLLIN | POLLOUT;
            file_put(file);
        }
        entry->revents = (int16_t)(events & ((uint16_t)entry->events | POLL_ALWAYS));
        ready += entry->revents != 0;
    }
    return ready;
}

/* Looks until there is something, the time is up (0) or a signal has come (-EINTR). */
static int64_t poll_wait(struct pollfd *entries, uint64_t count, struct poll_time time)
{
    for (;;) {
        uint64_t seen = file_notifications(); /* what comes after this look is not missed */
        int64_t ready = poll_look(entries, count);
        if (ready != 0 || !time.wait)
            return ready;
        int ended = file_wait(seen, time.deadline);
        if (ended == -EINTR)
            return -EINTR;
        if (ended == -ETIMEDOUT)
            time.wait = false; /* one last look */
    }
}

/* --- poll ------------------------------------------------------------------------------------- */

static int64_t poll_program(uint64_t entries_at, uint64_t count, struct poll_time time)
{
    if (count > FILE_DESCRIPTORS_MAX)
        return -EINVAL;
    uint64_t size = count * sizeof(struct pollfd);
    struct pollfd *entries = kmalloc(size + !size);
    if (entries == NULL)
        return -ENOMEM;
    int64_t result = -EFAULT;
    if (user_read(entries, entries_at, size) == 0) {
        result = poll_wait(entries, count, time);
        if (result >= 0 && user_write(entries_at, entries, size) != 0)
            result = -EFAULT;
    }
    kfree(entries);
    return result;
}

int64_t sys_poll(struct trap_frame *frame)
{
    int32_t milliseconds = (int32_t)syscall_arg2(frame);
    struct poll_time time = {.wait = milliseconds != 0};
    if (milliseconds > 0)
        time.deadline = platform_monotonic_ns() + (uint64_t)milliseconds * 1000000;
    return poll_program(syscall_arg0(frame), syscall_arg1(frame), time);
}

/* Swaps the signal mask for the time of a wait, as ppoll and pselect6 do. `set_at` 0: leaves it. */
int poll_mask_begin(uint64_t set_at, uint64_t set_size, uint64_t *before)
{
    uint64_t mask;
    *before = thread_current()->signals.blocked;
    if (set_at == 0)
        return 0;
    if (set_size != sizeof(mask))
        return -EINVAL;
    if (user_read(&mask, set_at, sizeof(mask)) != 0)
        return -EFAULT;
    signal_set_blocked(mask);
    return 0;
}

void poll_mask_end(uint64_t set_at, uint64_t before, int64_t result)
{
    struct signal_state *state = &thread_current()->signals;
    if (set_at == 0)
        return;
    if (result ==
        -EINTR) { /* the handler runs with the mask of the wait, then the former returns */
        state->saved_mask = before;
        state->restore_mask = true;
    } else {
        signal_set_blocked(before);
    }
}

int64_t sys_ppoll(struct trap_frame *frame)
{
    struct poll_time time;
    uint64_t before, mask_at = syscall_arg3(frame);
    int error = poll_read_time(syscall_arg2(frame), 1, &time);
    if (error == 0)
        error = poll_mask_begin(mask_at, syscall_arg4(frame), &before);
    if (error != 0)
        return error;
    int64_t result = poll_program(syscall_arg0(frame), syscall_arg1(frame), time);
    poll_mask_end(mask_at, before, result);
    return result;
}

/* --- select ----------------------------------------------------------------------------------- */

#define SELECT_SETS 3 /* read, write, exceptional */
static const uint16_t select_asks[SELECT_SETS] = {POLLIN, POLLOUT, POLLPRI};
static const uint16_t select_tells[SELECT_SETS] = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR,
                                                   POLLPRI};

/* Makes poll's entries of the sets' bits. Returns their number; `entries` has room for all. */
static uint64_t select_to_entries(uint64_t *const sets[SELECT_SETS], uint64_t descriptors,
                                  struct pollfd *entries)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < descriptors; i++) {
        uint16_t events = 0;
        for (unsigned k = 0; k < SELECT_SETS; k++) {
            if (sets[k][i / 64] >> i % 64 & 1)
                events |= select_asks[k];
        }
        if (events != 0)
            entries[count++] = (struct pollfd){.fd = (int)i, .events = (int16_t)events};
    }
    return count;
}

/* And back: returns how many bits are set, or -EBADF. */
static int64_t select_from_entries(uint64_t *const sets[SELECT_SETS], uint64_t words,
                                   const struct pollfd *entries, uint64_t count)
{
    int64_t bits = 0;
    for (unsigned k = 0; k < SELECT_SETS; k++)
        memset(sets[k], 0, words * sizeof(uint64_t));
    for (uint64_t i = 0; i < count; i++) {
        if (entries[i].revents & POLLNVAL)
            return -EBADF;
        for (unsigned k = 0; k < SELECT_SETS; k++) {
            if (((uint16_t)entries[i].events & select_asks[k]) &&
                ((uint16_t)entries[i].revents & select_tells[k])) {
                sets[k][entries[i].fd / 64] |= UINT64_C(1) << entries[i].fd % 64;
                bits++;
            }
        }
    }
    return bits;
}

static int64_t select_program(struct trap_frame *frame, struct poll_time time)
{
    const uint64_t sets_at[SELECT_SETS] = {syscall_arg1(frame), syscall_arg2(frame),
                                           syscall_arg3(frame)};
    if ((int32_t)syscall_arg0(frame) < 0)
        return -EINVAL;
    uint64_t descriptors = (uint32_t)syscall_arg0(frame);
    if (descriptors > FILE_DESCRIPTORS_MAX)
        descriptors = FILE_DESCRIPTORS_MAX;
    uint64_t words = (descriptors + 63) / 64, bytes = words * sizeof(uint64_t);

    uint64_t *bits = kzalloc(SELECT_SETS * bytes + 1);
    struct pollfd *entries = kmalloc(descriptors * sizeof(*entries) + 1);
    if (bits == NULL || entries == NULL) {
        kfree(entries);
        kfree(bits);
        return -ENOMEM;
    }
    uint64_t *const sets[SELECT_SETS] = {bits, bits + words, bits + 2 * words};
    int64_t result = -EFAULT;
    for (unsigned k = 0; k < SELECT_SETS; k++) {
        if (sets_at[k] != 0 && user_read(sets[k], sets_at[k], bytes) != 0)
            goto out;
    }
    uint64_t count = select_to_entries(sets, descriptors, entries);
    result = poll_wait(entries, count, time);
    if (result >= 0)
        result = select_from_entries(sets, words, entries, count);
    for (unsigned k = 0; k < SELECT_SETS && result >= 0; k++) {
        if (sets_at[k] != 0 && user_write(sets_at[k], sets[k], bytes) != 0)
            result = -EFAULT;
    }
out:
    kfree(entries);
    kfree(bits);
    return result;
}

/* Linux tells what is left of the time; a pointer to read-only memory is no error. */
static void select_write_left(uint64_t at, int64_t unit, struct poll_time time)
{
    if (at == 0 || time.deadline == 0)
        return;
    uint64_t now = platform_monotonic_ns();
    int64_t left = time.deadline > now ? (int64_t)(time.deadline - now) : 0;
    struct __kernel_timespec out = {left / NS_PER_SECOND, left % NS_PER_SECOND / unit};
    user_write(at, &out, sizeof(out));
}

int64_t sys_select(struct trap_frame *frame)
{
    struct poll_time time;
    int error = poll_read_time(syscall_arg4(frame), 1000, &time);
    if (error != 0)
        return error;
    int64_t result = select_program(frame, time);
    select_write_left(syscall_arg4(frame), 1000, time);
    return result;
}

int64_t sys_pselect6(struct trap_frame *frame)
{
    struct poll_time time;
    uint64_t mask[2] = {0, 0}, before; /* the sixth argument points to the set and its size */
    if (syscall_arg5(frame) != 0 && user_read(mask, syscall_arg5(frame), sizeof(mask)) != 0)
        return -EFAULT;
    int error = poll_read_time(syscall_arg4(frame), 1, &time);
    if (error == 0)
        error = poll_mask_begin(mask[0], mask[1], &before);
    if (error != 0)
        return error;
    int64_t result = select_program(frame, time);
    select_write_left(syscall_arg4(frame), 1, time);
    poll_mask_end(mask[0], before, result);
    return result;
}

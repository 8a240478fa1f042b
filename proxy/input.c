/* Standard input by epoll; files that epoll cannot watch are always ready. The descriptor stays
 * blocking (others share it): one read for each time that it was said to be ready. */
#include "proxy/input.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void input_ready(struct event_source *source, uint32_t bits)
{
    struct input *input = source->context;

    (void)bits;
    input->ready = true;
    events_remove(source); /* until it is wanted again */
}

void input_open(struct input *input, struct event_loop *loop, int fd)
{
    memset(input, 0, sizeof(*input));
    input->fd = fd;
    input->loop = loop;
    input->terminal = isatty(fd) == 1;
}

void input_close(struct input *input)
{
    events_remove(&input->source);
}

void input_want(struct input *input, bool wanted)
{
    if (!wanted) {
        events_remove(&input->source);
        return;
    }
    if (input->ended || input->always_ready) {
        input->ready = true;
    } else if (!input->ready && !input->source.bits &&
               events_add(input->loop, &input->source, input->fd, EPOLLIN, input_ready, input)) {
        /* Not to be watched: a regular file or /dev/null (or no file at all: read will say). */
        input->always_ready = true;
        input->ready = true;
    }
}

ssize_t input_read(struct input *input, void *bytes, size_t length)
{
    struct pollfd look = {.fd = input->fd, .events = POLLIN};
    ssize_t count;

    input->ready = false;
    if (input->ended)
        return 0;
    /* Another process may have taken what there was. */
    if (!input->always_ready && poll(&look, 1, 0) <= 0)
        return -EAGAIN;
    count = read(input->fd, bytes, length);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return -EAGAIN;
    if (count < 0)
        return -errno;
    /* A terminal's end (Ctrl-D) ends one read only, as for any program. */
    if (!count && !input->terminal)
        input->ended = true;
    return count;
}

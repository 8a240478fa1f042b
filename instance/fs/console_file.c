/* The console's streams as open files: what a program finds at descriptors 0 to 2. They look like
 * pipes, or like a terminal where the user's is one (MACHINE_FLAG_TTY). */
#include "instance/fs/console_private.h"

#include "instance/kernel.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

#define CONSOLE_DEVICE_PIPE 13          /* st_dev of pipes and terminals: any small number */
#define CONSOLE_TERMINAL_SPECIAL 0x8800 /* device 136:0, the first pseudo-terminal */
#define CONSOLE_PIPE_BLOCK 4096         /* st_blksize of a pipe */
#define CONSOLE_TERMINAL_BLOCK 1024     /* ... of a terminal */

/* struct winsize of <asm/termios.h>, which drags in too much. */
struct console_window {
    uint16_t rows, columns, width, height;
};

static bool console_is_terminal(void)
{
    return instance.handover->flags & MACHINE_FLAG_TTY;
}

static int64_t console_file_read(struct file *file, const struct file_vector *vectors, size_t count)
{
    bool nonblocking = atomic_load_explicit(&file->flags, memory_order_relaxed) & O_NONBLOCK;
    return console_read_vectors(vectors, count, nonblocking);
}

static int64_t console_file_write(struct file *file, const struct file_vector *vectors,
                                  size_t count)
{
    return console_write_vectors(file->stream, vectors, count);
}

static int console_file_status(struct file *file, struct file_status *status)
{
    memset(status, 0, sizeof(*status));
    status->device = CONSOLE_DEVICE_PIPE;
    status->inode = (uint64_t)file->stream + 3;
    status->links = 1;
    if (console_is_terminal()) {
        status->mode = FILE_TYPE_CHARACTER | 0620;
        status->special = CONSOLE_TERMINAL_SPECIAL;
        status->block_size = CONSOLE_TERMINAL_BLOCK;
    } else {
        status->mode = FILE_TYPE_PIPE | 0600;
        status->block_size = CONSOLE_PIPE_BLOCK;
    }
    return 0;
}

static int64_t console_file_control(struct file *file, uint32_t request, uint64_t argument)
{
    (void)file;
    if (!console_is_terminal())
        return -ENOTTY;
    switch (request) {
    case TCGETS: {
        /* As Linux has a terminal in its usual mode: lines, echo, CR and NL translated. */
        struct termios state;
        memset(&state, 0, sizeof(state));
        state.c_iflag = ICRNL | IXON;
        state.c_oflag = OPOST | ONLCR;
        state.c_cflag = B38400 | CS8 | CREAD;
        state.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
        static const uint8_t characters[] = {3,  28, 127, 21, 4,  0,  1,  0,
                                             17, 19, 26,  0,  18, 15, 23, 22};
        memcpy(state.c_cc, characters, sizeof(characters));
        return user_write(argument, &state, sizeof(state));
    }
    case TIOCGWINSZ: {
        struct console_window window = {0}; /* not known, as a serial terminal's on Linux */
        return user_write(argument, &window, sizeof(window));
    }
    default:
        return -ENOTTY;
    }
}

static uint32_t console_file_poll(struct file *file)
{
    if (file->stream != 0)
        return POLLOUT;
    return console_input_ready() ? POLLIN : 0;
}

static const struct file_operations console_input_operations = {
    .read = console_file_read,
    .status = console_file_status,
    .control = console_file_control,
    .poll = console_file_poll,
};
static const struct file_operations console_output_operations = {
    .write = console_file_write,
    .status = console_file_status,
    .control = console_file_control,
    .poll = console_file_poll,
};

struct file *console_file(int stream)
{
    struct file *file = kzalloc(sizeof(*file));
    if (file == NULL)
        return NULL;
    file->operations = stream == 0 ? &console_input_operations : &console_output_operations;
    atomic_init(&file->references, 1);
    atomic_init(&file->flags, stream == 0 ? O_RDONLY : O_WRONLY);
    file->stream = stream;
    return file;
}

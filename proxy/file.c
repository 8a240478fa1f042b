/* Reading a whole file: the machine file, the programs, the kernel. */
#include "proxy/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *kind_name(mode_t mode)
{
    if (S_ISDIR(mode))
        return "is a directory";
    if (S_ISFIFO(mode))
        return "is a pipe";
    if (S_ISSOCK(mode))
        return "is a socket";
    return "is a device";
}

/* Fills content->bytes from `file`; what the file grows by meanwhile is left out, and a file that
 * shrinks is an error. */
static int read_all(int file, struct file_content *content, char *why, size_t capacity)
{
    uint64_t have = 0;
    while (have < content->size) {
        ssize_t got = read(file, content->bytes + have, content->size - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            snprintf(why, capacity, "cannot be read (%s)", strerror(errno));
            return -1;
        }
        if (got == 0) {
            snprintf(why, capacity, "became shorter while it was read");
            return -1;
        }
        have += (uint64_t)got;
    }
    return 0;
}

int file_read(const char *path, uint64_t limit, struct file_content *content, char *why,
              size_t capacity)
{
    *content = (struct file_content){0};
    /* Non-blocking: opening a pipe must not wait for its writer. Regular files do not mind. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) {
        if (errno == ENOENT)
            snprintf(why, capacity, "does not exist");
        else if (errno == EACCES)
            snprintf(why, capacity, "may not be read (permission denied)");
        else if (errno == ENXIO)
            snprintf(why, capacity, "is a socket or device, not a regular file");
        else
            snprintf(why, capacity, "cannot be opened (%s)", strerror(errno));
        return -1;
    }
    struct stat status;
    if (fstat(file, &status)) {
        snprintf(why, capacity, "cannot be looked at (%s)", strerror(errno));
        goto close_file;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(why, capacity, "%s, not a regular file", kind_name(status.st_mode));
        goto close_file;
    }
    content->size = (uint64_t)status.st_size;
    content->device = status.st_dev;
    content->inode = status.st_ino;
    if (content->size > limit) {
        snprintf(why, capacity, "has %" PRIu64 " bytes; at most %" PRIu64 " can be taken",
                 content->size, limit);
        goto close_file;
    }
    content->bytes = malloc(content->size ? content->size : 1);
    if (!content->bytes) {
        snprintf(why, capacity, "does not fit into memory (%" PRIu64 " bytes)", content->size);
        goto close_file;
    }
    if (read_all(file, content, why, capacity))
        goto free_content;
    close(file);
    return 0;

free_content:
    file_free(content);
close_file:
    close(file);
    return -1;
}

void file_free(struct file_content *content)
{
    free(content->bytes);
    *content = (struct file_content){0};
}

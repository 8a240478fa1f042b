/* The shared pointer: eight bytes in a hidden file beside the file, changed under a lock on it. Any
 * rank moves it at any time, whatever the others do, as ranks are instances that have nothing but
 * the folder in common while they compute. The file is made when a rank first uses the pointer, and
 * the first rank removes it when all have closed. A job of one needs none. */
#define _GNU_SOURCE /* locks of open files */
#include "abi/mpi/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

int file_shared_begin(struct file *file)
{
    uint64_t number = 0;
    int error = MPI_SUCCESS;
    if (file->comm->size == 1)
        return MPI_SUCCESS;
    if (file->comm->rank == 0 && getrandom(&number, sizeof(number), 0) != sizeof(number))
        error = MPI_ERR_OTHER;
    if (PMPI_Bcast(&number, sizeof(number), MPI_BYTE, 0, file->comm->handle) != MPI_SUCCESS)
        error = MPI_ERR_OTHER;
    const char *slash = strrchr(file->name, '/');
    size_t folder = slash != NULL ? (size_t)(slash - file->name) + 1 : 0;
    size_t room = folder + sizeof(".mpi-shared-0123456789abcdef");
    file->shared_name = malloc(room);
    if (file->shared_name == NULL)
        return MPI_ERR_NO_MEM;
    snprintf(file->shared_name, room, "%.*s.mpi-shared-%016llx", (int)folder, file->name,
             (unsigned long long)number);
    return error;
}

void file_shared_end(struct file *file)
{
    if (file->shared_fd >= 0)
        close(file->shared_fd);
    if (file->shared_name != NULL && file->comm->rank == 0)
        unlink(file->shared_name); /* there may be none */
    free(file->shared_name);
}

static int set_lock(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    while (fcntl(fd, F_OFD_SETLKW, &lock) != 0)
        if (errno != EINTR)
            return file_error_class(errno);
    return MPI_SUCCESS;
}

static int open_pointer(struct file *file, int flags)
{
    if (file->shared_fd < 0)
        file->shared_fd = open(file->shared_name, O_RDWR | O_CLOEXEC | flags, 0600);
    return file->shared_fd >= 0 ? MPI_SUCCESS : file_error_class(errno);
}

/* Adds under the lock. An empty file: nobody has used the pointer yet. */
static int add(struct file *file, int64_t etypes, int64_t *before)
{
    int error = set_lock(file->shared_fd, F_WRLCK);
    if (error != MPI_SUCCESS)
        return error;
    ssize_t length = pread(file->shared_fd, before, sizeof(*before), 0);
    if (length == 0)
        *before = file->shared_start;
    else if (length != sizeof(*before))
        error = MPI_ERR_IO;
    int64_t after = *before + etypes;
    if (error == MPI_SUCCESS && etypes != 0 &&
        pwrite(file->shared_fd, &after, sizeof(after), 0) != sizeof(after))
        error = file_error_class(errno);
    set_lock(file->shared_fd, F_UNLCK);
    return error;
}

int file_shared_add(struct file *file, int64_t etypes, int64_t *before)
{
    int error = MPI_SUCCESS;
    pthread_mutex_lock(&file->shared_lock);
    if (file->comm->size == 1) {
        *before = file->shared_start;
        file->shared_start += etypes;
    } else {
        error = open_pointer(file, O_CREAT);
        if (error == MPI_SUCCESS)
            error = add(file, etypes, before);
    }
    pthread_mutex_unlock(&file->shared_lock);
    return error;
}

int file_shared_set(struct file *file, int64_t etypes)
{
    int error = MPI_SUCCESS;
    /* What all have done before comes before. */
    PMPI_Barrier(file->comm->handle);
    file->shared_start = etypes;
    if (file->comm->size > 1 && file->comm->rank == 0) {
        error = open_pointer(file, 0);
        if (error == MPI_SUCCESS && ftruncate(file->shared_fd, 0) != 0)
            error = file_error_class(errno);
        if (error == MPI_ERR_NO_SUCH_FILE)
            error = MPI_SUCCESS; /* nobody has used it */
    }
    return file_agree(file, error);
}

/* Moving data between memory and a file's view. What lies together on both sides moves by one call.
 * Memory in pieces is packed into a buffer; small pieces of a file that lie close together are read
 * with what is between them. Writing never touches a byte between pieces: it may be another rank's.
 */
#define _GNU_SOURCE /* locks of open files */
#include "abi/mpi/external.h"
#include "abi/mpi/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_BYTES (INT64_C(1) << 20)
#define SMALL_PIECE (INT64_C(32) << 10) /* larger ones are read by themselves */
#define SIEVE_PART                                                                                 \
    8 /* at least one byte in so many must be wanted for reading those between too                 \
       */

/* --- Bytes at an offset --------------------------------------------------------------------------
 */

/* Reads or writes them all; *done is less only where the file ends. MPI_SUCCESS or a class. */
static int move(int fd, bool writes, char *bytes, int64_t length, int64_t offset, int64_t *done)
{
    for (*done = 0; *done < length;) {
        size_t left = (size_t)(length - *done);
        ssize_t moved = writes ? pwrite(fd, bytes + *done, left, offset + *done)
                               : pread(fd, bytes + *done, left, offset + *done);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved < 0)
            return file_error_class(errno);
        if (moved == 0)
            return writes ? MPI_ERR_IO : MPI_SUCCESS;
        *done += moved;
    }
    return MPI_SUCCESS;
}

/* --- A stream ------------------------------------------------------------------------------------
 */

struct transfer {
    const struct file *file;
    const struct datatype_stream *memory;
    bool writes;
    int64_t position; /* of the access's first byte in the view */
    int64_t done;     /* bytes */
    char *buffer;     /* BUFFER_BYTES; NULL: none yet */
};

static bool need_buffer(struct transfer *transfer)
{
    if (transfer->buffer == NULL)
        transfer->buffer = malloc((size_t)BUFFER_BYTES);
    return transfer->buffer != NULL;
}

/* Bytes that lie together in the file from the next byte on, at most `most`. */
static int64_t run_at(const struct transfer *transfer, int64_t done, int64_t most, int64_t *offset)
{
    const struct file_view *view = &transfer->file->view;
    int64_t length;
    *offset = file_view_find(view, transfer->position + done, &length);
    while (length < most) {
        int64_t more;
        int64_t next = file_view_find(view, transfer->position + done + length, &more);
        if (next != *offset + length)
            break;
        length += more;
    }
    return length < most ? length : most;
}

/* One run of the file. *ended: the file does. */
static int move_run(struct transfer *transfer, int64_t offset, int64_t length, bool *ended)
{
    int64_t piece, moved;
    char *address = datatype_piece(transfer->memory, transfer->done, &piece);
    int error;
    if (piece >= length || piece >= BUFFER_BYTES) {
        length = piece < length ? piece : length;
        error = move(transfer->file->fd, transfer->writes, address, length, offset, &moved);
    } else {
        length = length < BUFFER_BYTES ? length : BUFFER_BYTES;
        if (!need_buffer(transfer))
            return MPI_ERR_NO_MEM;
        if (transfer->writes)
            datatype_pack(transfer->memory, transfer->done, length, transfer->buffer);
        error =
            move(transfer->file->fd, transfer->writes, transfer->buffer, length, offset, &moved);
        if (!transfer->writes)
            datatype_unpack(transfer->memory, transfer->done, moved, transfer->buffer);
    }
    transfer->done += moved;
    *ended = moved < length;
    return error;
}

/* How many bytes of the stream lie within the window of BUFFER_BYTES from `offset` on, and in *span
 * where the last of them ends, from `offset`. */
static int64_t count_in_window(const struct transfer *transfer, int64_t offset, int64_t *span)
{
    int64_t left = transfer->memory->bytes - transfer->done, inside = 0;
    *span = 0;
    while (inside < left) {
        int64_t at;
        int64_t length = run_at(transfer, transfer->done + inside, left - inside, &at);
        if (at + length - offset > BUFFER_BYTES)
            break;
        inside += length;
        *span = at + length - offset;
    }
    return inside;
}

/* Reads a window with what lies between the pieces, if that pays. *tried: it did. */
static int read_window(struct transfer *transfer, int64_t offset, bool *tried, bool *ended)
{
    int64_t span, got;
    int64_t inside = count_in_window(transfer, offset, &span);
    *tried = inside > 0 && span / SIEVE_PART <= inside;
    if (!*tried)
        return MPI_SUCCESS;
    if (!need_buffer(transfer))
        return MPI_ERR_NO_MEM;
    int error = move(transfer->file->fd, false, transfer->buffer, span, offset, &got);
    for (int64_t end = transfer->done + inside; transfer->done < end && !*ended;) {
        int64_t at;
        int64_t length = run_at(transfer, transfer->done, end - transfer->done, &at);
        int64_t here = got - (at - offset);
        *ended = here < length;
        here = here < 0 ? 0 : here < length ? here : length;
        datatype_unpack(transfer->memory, transfer->done, here, transfer->buffer + (at - offset));
        transfer->done += here;
    }
    return error;
}

static int move_stream(const struct file *file, bool writes, int64_t position,
                       const struct datatype_stream *memory, int64_t *done)
{
    struct transfer transfer = {file, memory, writes, position, 0, NULL};
    int error = MPI_SUCCESS;
    bool ended = false;
    while (error == MPI_SUCCESS && !ended && transfer.done < memory->bytes) {
        int64_t offset, left = memory->bytes - transfer.done;
        int64_t length = run_at(&transfer, transfer.done, left, &offset);
        bool tried = false;
        if (!writes && length < left && length < SMALL_PIECE)
            error = read_window(&transfer, offset, &tried, &ended);
        if (error == MPI_SUCCESS && !tried)
            error = move_run(&transfer, offset, length, &ended);
    }
    free(transfer.buffer);
    *done = transfer.done;
    return error;
}

/* --- external32 ----------------------------------------------------------------------------------
 */

static int move_external(const struct file *file, bool writes, int64_t position, void *buffer,
                         int64_t count, const struct datatype *type, struct file_moved *moved)
{
    int64_t size = external_bytes(type, count), done = 0;
    char *external = size < INT64_MAX ? malloc((size_t)size + 1) : NULL;
    if (external == NULL)
        return MPI_ERR_NO_MEM;
    struct datatype_stream stream = datatype_stream(external, size, datatype_of(MPI_BYTE));
    int error = writes ? external_pack(type, count, buffer, external) : MPI_SUCCESS;
    if (error == MPI_SUCCESS)
        error = move_stream(file, writes, position, &stream, &done);
    if (error == MPI_SUCCESS && !writes && done == size)
        error = external_unpack(type, count, buffer, external);
    else if (error == MPI_SUCCESS && !writes && done > 0) {
        /* The file ends within: the rest of the buffer stays as it is. */
        char *whole = malloc((size_t)size);
        error = whole == NULL ? MPI_ERR_NO_MEM : external_pack(type, count, buffer, whole);
        if (error == MPI_SUCCESS) {
            memcpy(whole, external, (size_t)done);
            error = external_unpack(type, count, buffer, whole);
        }
        free(whole);
    }
    free(external);
    int64_t one = external_bytes(type, 1);
    moved->stream = done;
    moved->memory = done == size || type->size == 0
                        ? datatype_bytes(type, count)
                        : done / one * type->size + done % one * type->size / one;
    return error;
}

/* --- All of it -----------------------------------------------------------------------------------
 */

/* Locks or unlocks the whole file, for an atomic access. Waits. */
static int lock_file(struct file *file, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    while (fcntl(file->fd, F_OFD_SETLKW, &lock) != 0)
        if (errno != EINTR)
            return file_error_class(errno);
    return MPI_SUCCESS;
}

int file_transfer(struct file *file, bool writes, int64_t position, void *buffer, int64_t count,
                  const struct datatype *type, struct file_moved *moved)
{
    int error = MPI_SUCCESS;
    *moved = (struct file_moved){0};
    if (datatype_bytes(type, count) == 0)
        return MPI_SUCCESS;
    if (file->view.layout->size == 0)
        return writes ? MPI_ERR_ARG : MPI_SUCCESS;
    if (file->atomic) {
        pthread_mutex_lock(&file->atomic_lock);
        error = lock_file(file, writes ? F_WRLCK : F_RDLCK);
    }
    struct datatype_stream memory = datatype_stream(buffer, count, type);
    if (error == MPI_SUCCESS)
        error = file->view.external
                    ? move_external(file, writes, position, buffer, count, type, moved)
                    : move_stream(file, writes, position, &memory, &moved->stream);
    if (!file->view.external)
        moved->memory = moved->stream;
    if (file->atomic) {
        lock_file(file, F_UNLCK);
        pthread_mutex_unlock(&file->atomic_lock);
    }
    return error;
}

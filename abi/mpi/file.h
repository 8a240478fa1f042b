/* Files (MPI: I/O) over the ordinary calls on files: what a file handle holds, and what its files
 * share. Read: file_view.c (where the bytes of a view lie), file_transfer.c (moving them),
 * file_shared.c (the shared pointer), file.c (life and attributes of a file), file_view_calls.c
 * (views and positions), file_access.c (reading and writing).
 *
 * What the program changes in a file (its view, its pointers) is under the library's lock; the
 * system calls are made without it. Errors are returned as classes and raised once, through the
 * file's handler, by the call of the program. */
#ifndef ABI_MPI_FILE_H
#define ABI_MPI_FILE_H

#include "abi/mpi/check.h"

#include <pthread.h>

/* A view: its data is a stream of bytes that the file type, laid end to end from the displacement
 * on, cuts out of the file. Offsets that programs give are in etypes of that stream. */
struct file_view {
    int64_t displacement;      /* bytes */
    struct datatype *etype;    /* as the program gave them; each referenced */
    struct datatype *filetype; /* its displacements never decrease */
    struct datatype *layout; /* the file type as it lies in the file: external32 has other sizes */
    int64_t unit;            /* bytes of an etype in the file, more than 0 */
    bool external;           /* external32; otherwise as in memory */
    char name[MPI_MAX_DATAREP_STRING];
};

enum file_pointer { FILE_AT, FILE_INDIVIDUAL, FILE_SHARED, FILE_ORDERED };

struct file {
    struct object object;
    struct comm *comm; /* the library's own, of the ranks that opened it */
    int fd;
    int mode; /* MPI_MODE_... */
    char *name;
    struct errhandler *errhandler;
    struct info *info;
    struct file_view view;
    int64_t position; /* the individual pointer, etypes */
    bool atomic;
    pthread_mutex_t atomic_lock; /* locks on the file do not tell a rank's threads apart */
    /* The shared pointer (file_shared.c). */
    char *shared_name;
    int shared_fd;        /* -1: not used yet */
    int64_t shared_start; /* etypes: what it is while nobody has used it */
    pthread_mutex_t shared_lock;
    /* A split collective that has begun. */
    bool split;
    enum file_pointer split_pointer;
    bool split_writes;
    const void *split_buffer;
    int64_t split_bytes;
};

static inline struct file *file_of(MPI_File handle)
{
    return (struct file *)object_of(handle, OBJECT_FILE);
}
/* By its handle; NULL with *error raised when it is none. */
struct file *file_checked(MPI_File handle, const char *function, int *error);

/* The handler of MPI_FILE_NULL: for opening and deleting, and what new files begin with. */
extern struct errhandler *file_errhandler;

/* Raises an error of a call about a file (NULL: about none). */
#define file_error(File, Code, Function, ...)                                                      \
    errhandler_raise((File) != NULL ? (File)->errhandler : file_errhandler, OBJECT_FILE,           \
                     (File) != NULL ? (MPI_File)(File) : MPI_FILE_NULL, (Code), (Function),        \
                     __VA_ARGS__)
/* The error class for an errno value. */
int file_error_class(int number);

/* The greatest error of all ranks, which all get: MPI_SUCCESS only when all have it. Collective. */
int file_agree(struct file *file, int error);

/* --- Views (file_view.c) -------------------------------------------------------------------------
 */

/* Sets a view; takes own references. MPI_SUCCESS, or a class, with *why: the old view stays. */
int file_view_set(struct file_view *view, int64_t displacement, struct datatype *etype,
                  struct datatype *filetype, const char *representation, const char **why);
void file_view_end(struct file_view *view);
/* Where byte `position` of the stream lies in the file, and how many bytes follow it there, itself
 * counted. Not for a view of no bytes. */
int64_t file_view_find(const struct file_view *view, int64_t position, int64_t *length);
/* The first byte of the stream that lies at `offset` in the file or after; of a view of no bytes
 * 0. */
int64_t file_view_position(const struct file_view *view, int64_t offset);
/* Bytes that `count` of a datatype take in the file; INT64_MAX: too many. */
int64_t file_view_bytes(const struct file_view *view, const struct datatype *type, int64_t count);

/* --- Moving data (file_transfer.c) ---------------------------------------------------------------
 */

/* How much an access has moved: bytes of memory, and of the stream, which in external32 are others.
 */
struct file_moved {
    int64_t memory, stream;
};

/* Moves `count` of `type` between memory and the stream from byte `position` on. *moved is less
 * than all where the file ends, or where an error has. MPI_SUCCESS or a class. Sleeps. */
int file_transfer(struct file *file, bool writes, int64_t position, void *buffer, int64_t count,
                  const struct datatype *type, struct file_moved *moved);

/* --- The shared pointer (file_shared.c)
 * ----------------------------------------------------------- */

/* Names what holds it; collective, at opening. MPI_SUCCESS or a class. */
int file_shared_begin(struct file *file);
void file_shared_end(struct file *file);
/* Adds `etypes` to it and gives what it was before. MPI_SUCCESS or a class. Sleeps. */
int file_shared_add(struct file *file, int64_t etypes, int64_t *before);
/* Sets it, for all ranks; collective. */
int file_shared_set(struct file *file, int64_t etypes);

#endif

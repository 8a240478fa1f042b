/* What the lines of abi/linux/calls.def say about the arguments of a system call: enough to print
 * a call as strace does. */
#ifndef ABI_LINUX_CALLS_H
#define ABI_LINUX_CALLS_H

#define LINUX_CALL_COUNT 451 /* numbers 0..450: Linux 6.1 */
#define LINUX_CALL_ARGUMENTS 6

enum linux_argument {
    LINUX_ARGUMENT_NONE = 0, /* behind the last one */

    /* Numbers. */
    LINUX_ARGUMENT_FD,       /* file descriptor, or AT_FDCWD */
    LINUX_ARGUMENT_SIZE,     /* size_t, decimal */
    LINUX_ARGUMENT_OFFSET,   /* off_t, decimal, signed, 64 bits */
    LINUX_ARGUMENT_INTEGER,  /* int, decimal, signed */
    LINUX_ARGUMENT_UNSIGNED, /* unsigned int, decimal */
    LINUX_ARGUMENT_HEX,      /* flags and the like */
    LINUX_ARGUMENT_MODE,     /* octal */
    LINUX_ARGUMENT_ADDRESS,  /* an address that is a value, not pointed through */
    LINUX_ARGUMENT_SIGNAL,   /* by name */
    LINUX_ARGUMENT_FUTEX,    /* futex operation */
    LINUX_ARGUMENT_OPEN_FLAGS,
    /* Words of names: one of a list, or bits. instance/syscall/trace_words.c has the names. */
    LINUX_ARGUMENT_PROTECTION,  /* PROT_* */
    LINUX_ARGUMENT_MAP_FLAGS,   /* MAP_* */
    LINUX_ARGUMENT_FILE_FLAGS,  /* O_CLOEXEC and the like, of a file that is not opened by name */
    LINUX_ARGUMENT_REMAP_FLAGS, /* MREMAP_* */
    LINUX_ARGUMENT_CLONE_FLAGS, /* CLONE_*, with a signal in the low byte */
    LINUX_ARGUMENT_AT_FLAGS,    /* AT_* */
    LINUX_ARGUMENT_WHENCE,      /* SEEK_* */
    LINUX_ARGUMENT_CLOCK,       /* CLOCK_* */
    LINUX_ARGUMENT_MASK_HOW,    /* SIG_BLOCK ... */
    LINUX_ARGUMENT_ADVICE,      /* MADV_* */
    LINUX_ARGUMENT_FCNTL,       /* F_* */
    LINUX_ARGUMENT_LOCK,        /* flock's LOCK_* */
    LINUX_ARGUMENT_EPOLL,       /* EPOLL_CTL_* */
    LINUX_ARGUMENT_RESOURCE,    /* RLIMIT_* */
    LINUX_ARGUMENT_ITIMER,      /* ITIMER_* */

    /* Pointers from here on. */
    LINUX_ARGUMENT_POINTER,    /* of a struct that strace shows as an address */
    LINUX_ARGUMENT_PATH,       /* NUL-terminated string */
    LINUX_ARGUMENT_STRING,     /* likewise, but no path */
    LINUX_ARGUMENT_BUFFER_IN,  /* bytes that the program gives; the next argument is their count */
    LINUX_ARGUMENT_BUFFER_OUT, /* bytes that the call fills in; the result is their count */
    LINUX_ARGUMENT_VECTOR,     /* struct iovec[]; the next argument is their count */
    LINUX_ARGUMENT_SIGNAL_SET, /* sigset_t of 8 bytes */
    LINUX_ARGUMENT_TIMESPEC,   /* struct timespec that the program gives */
    LINUX_ARGUMENT_POLL_FDS,   /* struct pollfd[]; the next argument is their count */
    LINUX_ARGUMENT_ACTION,     /* struct sigaction that the program gives */
    LINUX_ARGUMENT_LIMIT,      /* struct rlimit that the program gives */
    LINUX_ARGUMENT_EVENT,      /* struct epoll_event that the program gives */
    LINUX_ARGUMENT_CLONE,      /* struct clone_args */
    LINUX_ARGUMENT_ITIMERSPEC, /* that the program gives */
    LINUX_ARGUMENT_ITIMERVAL,  /* likewise */
    /* Filled in by the call: shown when it succeeds. */
    LINUX_ARGUMENT_TIMESPEC_OUT,
    LINUX_ARGUMENT_ACTION_OUT,
    LINUX_ARGUMENT_LIMIT_OUT,
    LINUX_ARGUMENT_EVENTS_OUT, /* struct epoll_event[]; the result is their count */
    LINUX_ARGUMENT_SIGNAL_SET_OUT,
    LINUX_ARGUMENT_ITIMERSPEC_OUT,
    LINUX_ARGUMENT_ITIMERVAL_OUT,
    LINUX_ARGUMENT_STATUS_OUT, /* struct stat */
    LINUX_ARGUMENT_PAIR_OUT,   /* int[2] */
};

static inline int linux_argument_is_pointer(unsigned kind)
{
    return kind >= LINUX_ARGUMENT_POINTER;
}

/* The names of a line's arguments, made into the enumerators above: `{LINUX_ARGUMENTS(FD, SIZE)}`
 * initialises an array. Up to six, or none. */
#define LINUX_ARGUMENTS(...)                                                                       \
    LINUX_ARGUMENTS_PICK(0, ##__VA_ARGS__, LINUX_ARGUMENTS_6, LINUX_ARGUMENTS_5,                   \
                         LINUX_ARGUMENTS_4, LINUX_ARGUMENTS_3, LINUX_ARGUMENTS_2,                  \
                         LINUX_ARGUMENTS_1, LINUX_ARGUMENTS_0)                                     \
    (__VA_ARGS__)
#define LINUX_ARGUMENTS_PICK(zero, a, b, c, d, e, f, chosen, ...) chosen
#define LINUX_ARGUMENTS_0() LINUX_ARGUMENT_NONE
#define LINUX_ARGUMENTS_1(a) LINUX_ARGUMENT_##a
#define LINUX_ARGUMENTS_2(a, b) LINUX_ARGUMENT_##a, LINUX_ARGUMENT_##b
#define LINUX_ARGUMENTS_3(a, b, c) LINUX_ARGUMENTS_2(a, b), LINUX_ARGUMENT_##c
#define LINUX_ARGUMENTS_4(a, b, c, d) LINUX_ARGUMENTS_2(a, b), LINUX_ARGUMENTS_2(c, d)
#define LINUX_ARGUMENTS_5(a, b, c, d, e) LINUX_ARGUMENTS_4(a, b, c, d), LINUX_ARGUMENT_##e
#define LINUX_ARGUMENTS_6(a, b, c, d, e, f) LINUX_ARGUMENTS_4(a, b, c, d), LINUX_ARGUMENTS_2(e, f)

#endif

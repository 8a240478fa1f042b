/* Names that --strace shows: flags, commands, errors. One table for each kind of argument, with the
 * values of Linux on x86-64. */
#include "instance/syscall/trace_line.h"

#include <stddef.h>

/* A name for a value, or for bits. Of bits that others are part of, the more come first. */
struct word {
    uint64_t value;
    const char *name;
};

static const struct word words_protection[] = {
    {0x1, "PROT_READ"}, {0x2, "PROT_WRITE"},           {0x4, "PROT_EXEC"},
    {0x8, "PROT_SEM"},  {0x1000000, "PROT_GROWSDOWN"}, {0x2000000, "PROT_GROWSUP"}};
static const struct word words_map_flags[] = {
    {0x3, "MAP_SHARED_VALIDATE"}, {0x1, "MAP_SHARED"},
    {0x2, "MAP_PRIVATE"},         {0x10, "MAP_FIXED"},
    {0x20, "MAP_ANONYMOUS"},      {0x40, "MAP_32BIT"},
    {0x100, "MAP_GROWSDOWN"},     {0x800, "MAP_DENYWRITE"},
    {0x2000, "MAP_LOCKED"},       {0x4000, "MAP_NORESERVE"},
    {0x8000, "MAP_POPULATE"},     {0x10000, "MAP_NONBLOCK"},
    {0x20000, "MAP_STACK"},       {0x40000, "MAP_HUGETLB"},
    {0x80000, "MAP_SYNC"},        {0x100000, "MAP_FIXED_NOREPLACE"}};
static const struct word words_file_flags[] = {
    {0x4000, "O_DIRECT"}, {0x800, "O_NONBLOCK"}, {0x80000, "O_CLOEXEC"}};
static const struct word words_remap_flags[] = {
    {0x1, "MREMAP_MAYMOVE"}, {0x2, "MREMAP_FIXED"}, {0x4, "MREMAP_DONTUNMAP"}};
static const struct word words_clone_flags[] = {{0x100, "CLONE_VM"},
                                                {0x200, "CLONE_FS"},
                                                {0x400, "CLONE_FILES"},
                                                {0x800, "CLONE_SIGHAND"},
                                                {0x1000, "CLONE_PIDFD"},
                                                {0x2000, "CLONE_PTRACE"},
                                                {0x4000, "CLONE_VFORK"},
                                                {0x8000, "CLONE_PARENT"},
                                                {0x10000, "CLONE_THREAD"},
                                                {0x20000, "CLONE_NEWNS"},
                                                {0x40000, "CLONE_SYSVSEM"},
                                                {0x80000, "CLONE_SETTLS"},
                                                {0x100000, "CLONE_PARENT_SETTID"},
                                                {0x200000, "CLONE_CHILD_CLEARTID"},
                                                {0x400000, "CLONE_DETACHED"},
                                                {0x800000, "CLONE_UNTRACED"},
                                                {0x1000000, "CLONE_CHILD_SETTID"},
                                                {0x2000000, "CLONE_NEWCGROUP"},
                                                {0x4000000, "CLONE_NEWUTS"},
                                                {0x8000000, "CLONE_NEWIPC"},
                                                {0x10000000, "CLONE_NEWUSER"},
                                                {0x20000000, "CLONE_NEWPID"},
                                                {0x40000000, "CLONE_NEWNET"},
                                                {0x80000000, "CLONE_IO"}};
static const struct word words_at_flags[] = {
    {0x100, "AT_SYMLINK_NOFOLLOW"}, {0x200, "AT_REMOVEDIR"},   {0x400, "AT_SYMLINK_FOLLOW"},
    {0x800, "AT_NO_AUTOMOUNT"},     {0x1000, "AT_EMPTY_PATH"}, {0x2000, "AT_STATX_FORCE_SYNC"},
    {0x4000, "AT_STATX_DONT_SYNC"}, {0x8000, "AT_RECURSIVE"}};
static const struct word words_lock[] = {
    {0x1, "LOCK_SH"}, {0x2, "LOCK_EX"}, {0x4, "LOCK_NB"}, {0x8, "LOCK_UN"}};
static const struct word words_open_flags[] = {
    {0x2, "O_RDWR"},         {0x1, "O_WRONLY"},       {0x40, "O_CREAT"},
    {0x80, "O_EXCL"},        {0x100, "O_NOCTTY"},     {0x200, "O_TRUNC"},
    {0x400, "O_APPEND"},     {0x800, "O_NONBLOCK"},   {0x101000, "O_SYNC"},
    {0x1000, "O_DSYNC"},     {0x2000, "O_ASYNC"},     {0x4000, "O_DIRECT"},
    {0x8000, "O_LARGEFILE"}, {0x410000, "O_TMPFILE"}, {0x10000, "O_DIRECTORY"},
    {0x20000, "O_NOFOLLOW"}, {0x40000, "O_NOATIME"},  {0x80000, "O_CLOEXEC"},
    {0x200000, "O_PATH"}};
static const struct word words_whence[] = {{0x0, "SEEK_SET"},
                                           {0x1, "SEEK_CUR"},
                                           {0x2, "SEEK_END"},
                                           {0x3, "SEEK_DATA"},
                                           {0x4, "SEEK_HOLE"}};
static const struct word words_clock[] = {{0x0, "CLOCK_REALTIME"},
                                          {0x1, "CLOCK_MONOTONIC"},
                                          {0x2, "CLOCK_PROCESS_CPUTIME_ID"},
                                          {0x3, "CLOCK_THREAD_CPUTIME_ID"},
                                          {0x4, "CLOCK_MONOTONIC_RAW"},
                                          {0x5, "CLOCK_REALTIME_COARSE"},
                                          {0x6, "CLOCK_MONOTONIC_COARSE"},
                                          {0x7, "CLOCK_BOOTTIME"},
                                          {0x8, "CLOCK_REALTIME_ALARM"},
                                          {0x9, "CLOCK_BOOTTIME_ALARM"},
                                          {0xb, "CLOCK_TAI"}};
static const struct word words_mask_how[] = {
    {0x0, "SIG_BLOCK"}, {0x1, "SIG_UNBLOCK"}, {0x2, "SIG_SETMASK"}};
static const struct word words_advice[] = {
    {0x0, "MADV_NORMAL"},      {0x1, "MADV_RANDOM"},         {0x2, "MADV_SEQUENTIAL"},
    {0x3, "MADV_WILLNEED"},    {0x4, "MADV_DONTNEED"},       {0x8, "MADV_FREE"},
    {0x9, "MADV_REMOVE"},      {0xa, "MADV_DONTFORK"},       {0xb, "MADV_DOFORK"},
    {0xc, "MADV_MERGEABLE"},   {0xd, "MADV_UNMERGEABLE"},    {0xe, "MADV_HUGEPAGE"},
    {0xf, "MADV_NOHUGEPAGE"},  {0x10, "MADV_DONTDUMP"},      {0x11, "MADV_DODUMP"},
    {0x12, "MADV_WIPEONFORK"}, {0x13, "MADV_KEEPONFORK"},    {0x14, "MADV_COLD"},
    {0x15, "MADV_PAGEOUT"},    {0x16, "MADV_POPULATE_READ"}, {0x17, "MADV_POPULATE_WRITE"}};
static const struct word words_fcntl[] = {
    {0x0, "F_DUPFD"},           {0x1, "F_GETFD"},        {0x2, "F_SETFD"},
    {0x3, "F_GETFL"},           {0x4, "F_SETFL"},        {0x5, "F_GETLK"},
    {0x6, "F_SETLK"},           {0x7, "F_SETLKW"},       {0x8, "F_SETOWN"},
    {0x9, "F_GETOWN"},          {0xa, "F_SETSIG"},       {0xb, "F_GETSIG"},
    {0x24, "F_OFD_GETLK"},      {0x25, "F_OFD_SETLK"},   {0x26, "F_OFD_SETLKW"},
    {0x400, "F_SETLEASE"},      {0x401, "F_GETLEASE"},   {0x402, "F_NOTIFY"},
    {0x406, "F_DUPFD_CLOEXEC"}, {0x407, "F_SETPIPE_SZ"}, {0x408, "F_GETPIPE_SZ"},
    {0x409, "F_ADD_SEALS"},     {0x40a, "F_GET_SEALS"}};
static const struct word words_epoll[] = {
    {0x1, "EPOLL_CTL_ADD"}, {0x2, "EPOLL_CTL_DEL"}, {0x3, "EPOLL_CTL_MOD"}};
static const struct word words_resource[] = {
    {0x0, "RLIMIT_CPU"},      {0x1, "RLIMIT_FSIZE"},  {0x2, "RLIMIT_DATA"},
    {0x3, "RLIMIT_STACK"},    {0x4, "RLIMIT_CORE"},   {0x5, "RLIMIT_RSS"},
    {0x6, "RLIMIT_NPROC"},    {0x7, "RLIMIT_NOFILE"}, {0x8, "RLIMIT_MEMLOCK"},
    {0x9, "RLIMIT_AS"},       {0xa, "RLIMIT_LOCKS"},  {0xb, "RLIMIT_SIGPENDING"},
    {0xc, "RLIMIT_MSGQUEUE"}, {0xd, "RLIMIT_NICE"},   {0xe, "RLIMIT_RTPRIO"},
    {0xf, "RLIMIT_RTTIME"}};
static const struct word words_itimer[] = {
    {0x0, "ITIMER_REAL"}, {0x1, "ITIMER_VIRTUAL"}, {0x2, "ITIMER_PROF"}};
static const struct word words_poll[] = {
    {0x1, "POLLIN"},       {0x2, "POLLPRI"},      {0x4, "POLLOUT"},     {0x8, "POLLERR"},
    {0x10, "POLLHUP"},     {0x20, "POLLNVAL"},    {0x40, "POLLRDNORM"}, {0x80, "POLLRDBAND"},
    {0x100, "POLLWRNORM"}, {0x200, "POLLWRBAND"}, {0x2000, "POLLRDHUP"}};
static const struct word words_epoll_events[] = {{0x1, "EPOLLIN"},
                                                 {0x2, "EPOLLPRI"},
                                                 {0x4, "EPOLLOUT"},
                                                 {0x8, "EPOLLERR"},
                                                 {0x10, "EPOLLHUP"},
                                                 {0x40, "EPOLLRDNORM"},
                                                 {0x80, "EPOLLRDBAND"},
                                                 {0x100, "EPOLLWRNORM"},
                                                 {0x200, "EPOLLWRBAND"},
                                                 {0x2000, "EPOLLRDHUP"},
                                                 {0x10000000, "EPOLLEXCLUSIVE"},
                                                 {0x20000000, "EPOLLWAKEUP"},
                                                 {0x40000000, "EPOLLONESHOT"},
                                                 {0x80000000, "EPOLLET"}};
static const struct word words_action[] = {
    {0x1, "SA_NOCLDSTOP"},      {0x2, "SA_NOCLDWAIT"},       {0x4, "SA_SIGINFO"},
    {0x4000000, "SA_RESTORER"}, {0x8000000, "SA_ONSTACK"},   {0x10000000, "SA_RESTART"},
    {0x40000000, "SA_NODEFER"}, {0x80000000, "SA_RESETHAND"}};
static const struct word words_types[] = {
    {0x1000, "S_IFIFO"}, {0x2000, "S_IFCHR"}, {0x4000, "S_IFDIR"}, {0x6000, "S_IFBLK"},
    {0x8000, "S_IFREG"}, {0xa000, "S_IFLNK"}, {0xc000, "S_IFSOCK"}};

#define WORDS(table) words_##table, sizeof(words_##table) / sizeof(words_##table[0])

/* What is known of a kind. `zero`: what no bit at all is called; NULL: the values are one of a
 * list.
 */
static const struct kind {
    const struct word *words;
    size_t count;
    const char *zero;
} kinds[] = {
    [LINUX_ARGUMENT_PROTECTION] = {WORDS(protection), "PROT_NONE"},
    [LINUX_ARGUMENT_MAP_FLAGS] = {WORDS(map_flags), "0"},
    [LINUX_ARGUMENT_FILE_FLAGS] = {WORDS(file_flags), "0"},
    [LINUX_ARGUMENT_REMAP_FLAGS] = {WORDS(remap_flags), "0"},
    [LINUX_ARGUMENT_CLONE_FLAGS] = {WORDS(clone_flags), "0"},
    [LINUX_ARGUMENT_AT_FLAGS] = {WORDS(at_flags), "0"},
    [LINUX_ARGUMENT_LOCK] = {WORDS(lock), "0"},
    [LINUX_ARGUMENT_OPEN_FLAGS] = {WORDS(open_flags), "O_RDONLY"},
    [LINUX_ARGUMENT_WHENCE] = {WORDS(whence), NULL},
    [LINUX_ARGUMENT_CLOCK] = {WORDS(clock), NULL},
    [LINUX_ARGUMENT_MASK_HOW] = {WORDS(mask_how), NULL},
    [LINUX_ARGUMENT_ADVICE] = {WORDS(advice), NULL},
    [LINUX_ARGUMENT_FCNTL] = {WORDS(fcntl), NULL},
    [LINUX_ARGUMENT_EPOLL] = {WORDS(epoll), NULL},
    [LINUX_ARGUMENT_RESOURCE] = {WORDS(resource), NULL},
    [LINUX_ARGUMENT_ITIMER] = {WORDS(itimer), NULL},
};

static void add_bits(struct trace_line *line, uint64_t value, const struct word *words,
                     size_t count, const char *zero)
{
    const char *separator = "";
    if (value == 0)
        trace_add(line, "%s", zero);
    for (size_t i = 0; i < count; i++) {
        if ((value & words[i].value) == words[i].value) {
            trace_add(line, "%s%s", separator, words[i].name);
            separator = "|";
            value &= ~words[i].value;
        }
    }
    if (value != 0)
        trace_add(line, "%s0x%lx", separator, value);
}

bool trace_add_word(struct trace_line *line, enum linux_argument kind, uint64_t value)
{
    if ((size_t)kind >= sizeof(kinds) / sizeof(kinds[0]) || kinds[kind].words == NULL)
        return false;
    const struct kind *known = &kinds[kind];
    value = (uint32_t)value; /* all of them are ints */
    if (known->zero == NULL) {
        for (size_t i = 0; i < known->count; i++) {
            if (known->words[i].value == value) {
                trace_add(line, "%s", known->words[i].name);
                return true;
            }
        }
        trace_add(line, "%d", (int32_t)value);
        return true;
    }
    if (kind == LINUX_ARGUMENT_OPEN_FLAGS && value != 0 && (value & 3) == 0)
        trace_add(line, "O_RDONLY|"); /* an access mode is always there */
    uint32_t signal = kind == LINUX_ARGUMENT_CLONE_FLAGS ? (uint32_t)value & 0xff : 0;
    add_bits(line, value - signal, known->words, known->count, known->zero);
    if (signal != 0) {
        trace_add(line, "|");
        trace_add_signal(line, signal);
    }
    return true;
}

void trace_add_poll_events(struct trace_line *line, uint32_t events)
{
    add_bits(line, events, WORDS(poll), "0");
}

void trace_add_epoll_events(struct trace_line *line, uint32_t events)
{
    add_bits(line, events, WORDS(epoll_events), "0");
}

void trace_add_action_flags(struct trace_line *line, uint64_t flags)
{
    add_bits(line, flags, WORDS(action), "0");
}

void trace_add_file_type(struct trace_line *line, uint32_t mode)
{
    for (size_t i = 0; i < sizeof(words_types) / sizeof(words_types[0]); i++)
        if (words_types[i].value == (mode & 0170000))
            trace_add(line, "%s|", words_types[i].name);
    trace_add_octal(line, mode & 07777);
}

void trace_add_error(struct trace_line *line, int64_t error)
{
    static const struct {
        const char *name, *text;
    } errors[] = {
#define LINUX_ERROR(number, name, text) [number] = {#name, text},
#include "abi/linux/errors.def"
#undef LINUX_ERROR
    };
    uint64_t number = (uint64_t)error;
    if (number < sizeof(errors) / sizeof(errors[0]) && errors[number].name != NULL)
        trace_add(line, "%s (%s)", errors[number].name, errors[number].text);
    else
        trace_add(line, "error %ld", error);
}

/* A folder whose storage fails: what the calls say then.
 *   storage FOLDER full      the folder has room for little
 *   storage FOLDER gone      it is removed once this has said "ready"
 *   storage FOLDER special   it has a FIFO and a socket, which nobody serves
 *   storage FOLDER hang S    "held" cannot be opened; ends by SIGALRM after S seconds (0: never)
 *   storage FOLDER busy      works on files of its own
 *   storage FOLDER append C  adds records of the letter C to a file that others add to as well */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define HANGING 20 /* threads */

static const char *folder;

static const char *outcome(long result)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {ENOSPC, "ENOSPC"}, {ENOENT, "ENOENT"}, {ENXIO, "ENXIO"}, {EOPNOTSUPP, "EOPNOTSUPP"}};

    if (result >= 0)
        return "fine";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].number == errno)
            return names[i].name;
    return strerror(errno);
}

static const char *below(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static int full(void)
{
    static char block[65536];
    size_t size = sizeof(block);
    ssize_t done;
    int fd = open(below("fill"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    int sparse = open(below("sparse"), O_RDWR | O_CREAT, 0644);

    memset(block, 'x', size);
    while ((done = write(fd, block, size)) == (ssize_t)size)
        ;
    printf("the last write: %s\n", done >= 0 ? "a part" : outcome(done));
    printf("one more: %s\n", outcome(write(fd, block, size)));
    printf("sync: %s\n", outcome(fsync(fd)));
    printf("reserve: %s\n",
           outcome(posix_fallocate(sparse, 0, 65536) == ENOSPC ? (errno = ENOSPC, -1) : 0));
    printf("extend: %s\n", outcome(ftruncate(sparse, 65536)));
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, sparse, 0);
    close(sparse);
    if (at == MAP_FAILED)
        return 1;
    memset(at, 'm', size);
    printf("stored, to the disk: %s\n", outcome(msync(at, size, MS_SYNC)));
    printf("room again: %s\n", outcome(unlink(below("fill")) | close(fd)));
    printf("to the disk: %s\n", outcome(msync(at, size, MS_SYNC)));
    munmap(at, size);
    sparse = open(below("sparse"), O_RDONLY);
    printf("read: %zd, %.3s\n", read(sparse, block, size), block + size - 3);
    return 0;
}

static int gone(void)
{
    int fd = open(below("file"), O_RDWR), entries = 0;
    char text[16] = "";

    puts("ready");
    for (int i = 0; access(below("file"), F_OK) == 0; i++) {
        if (i == 3000)
            return 9;
        usleep(10000);
    }
    usleep(200000); /* the folder itself follows its file */
    struct stat status;
    printf("status: %s\n", outcome(stat(below("file"), &status)));
    printf("open: %s\n", outcome(open(below("file"), O_RDONLY)));
    printf("make: %s\n", outcome(open(below("new"), O_WRONLY | O_CREAT, 0644)));
    printf("folder: %s\n", outcome(mkdir(below("sub"), 0755)));
    char former[256];
    snprintf(former, sizeof(former), "%s", below("file"));
    printf("rename: %s\n", outcome(rename(former, below("new"))));
    DIR *entry = opendir(folder);
    for (const struct dirent *name; entry != NULL && (name = readdir(entry)) != NULL;)
        entries += name->d_name[0] != '.';
    printf("entries: %d\n", entries);
    printf("what is open: %zd %s\n", pread(fd, text, 5, 0), text);
    printf("write: %s\n", outcome(pwrite(fd, "more", 4, 0)));
    return 0;
}

static int special(void)
{
    struct stat status = {0};
    int result = stat(below("fifo"), &status);

    printf("status: %s %d\n", outcome(result), S_ISFIFO(status.st_mode) != 0);
    printf("read: %s\n", outcome(open(below("fifo"), O_RDONLY)));
    printf("write: %s\n", outcome(open(below("fifo"), O_WRONLY)));
    printf("socket: %s\n", outcome(open(below("socket"), O_RDONLY)));
    printf("remove: %s\n", outcome(unlink(below("fifo"))));
    return 0;
}

static void *open_held(void *argument)
{
    const char *path = argument;
    int fd = open(path, O_RDONLY);

    printf("open: %s\n", outcome(fd));
    return NULL;
}

static int hang(int seconds)
{
    pthread_t threads[HANGING];
    static char path[256];

    snprintf(path, sizeof(path), "%s/held", folder);
    alarm((unsigned)seconds);
    for (int i = 0; i < HANGING; i++)
        pthread_create(&threads[i], NULL, open_held, path);
    puts("hanging");
    for (int i = 0; i < HANGING; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static int busy(void)
{
    char text[32], name[32];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "own-%d", i);
        int fd = open(below(name), O_RDWR | O_CREAT | O_EXCL, 0644);

        if (write(fd, "some text", 9) != 9 || pread(fd, text, 9, 0) != 9 || fsync(fd) != 0 ||
            close(fd) != 0 || unlink(below(name)) != 0)
            return 1;
    }
    puts("worked");
    return 0;
}

/* Lines of one letter, each by one write: 1 byte to 128 KiB. */
static int append(char letter)
{
    static char record[131072];
    int fd = open(below("log"), O_WRONLY | O_CREAT | O_APPEND, 0644);

    memset(record, letter, sizeof(record));
    for (size_t i = 0; i < 200; i++) {
        size_t length = i % 10 == 0 ? sizeof(record) - i : 1 + i * 37;
        struct iovec parts[] = {{record, length - 1}, {"\n", 1}};

        if (writev(fd, parts, 2) != (ssize_t)length)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    folder = argv[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    return strcmp(argv[2], "full") == 0      ? full()
           : strcmp(argv[2], "gone") == 0    ? gone()
           : strcmp(argv[2], "special") == 0 ? special()
           : strcmp(argv[2], "append") == 0  ? append(argv[3][0])
           : strcmp(argv[2], "hang") == 0    ? hang(atoi(argv[3]))
                                             : busy();
}

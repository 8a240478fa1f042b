/* File operations in a folder of their own (the first argument): prints every result, so that the
 * output on Linux and in an instance can be compared byte for byte. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* musl has no wrapper for it. */
static int rename_flags(const char *from, const char *to, unsigned flags)
{
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static long checks;
static void *volatile wild = (void *)8; /* nothing is mapped there */

/* Prints what a call gave: its result, or the name of its error. */
static long show(const char *what, long result)
{
    checks++;
    if (result < 0)
        printf("%s: %s\n", what, strerror(errno));
    else
        printf("%s: %ld\n", what, result);
    return result;
}
#define SHOW(call) show(#call, (long)(call))

static void show_stat(const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0) {
        printf("lstat %s: %s\n", path, strerror(errno));
        return;
    }
    printf("lstat %s: mode %o links %ld size %ld\n", path, status.st_mode,
           S_ISDIR(status.st_mode) ? 0L : (long)status.st_nlink,
           S_ISDIR(status.st_mode) ? 0L : (long)status.st_size);
}

static int by_name(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static void show_folder(const char *path)
{
    char *names[512];
    size_t count = 0;
    DIR *folder = opendir(path);
    if (folder == NULL) {
        printf("opendir %s: %s\n", path, strerror(errno));
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL && count < 512) {
        char line[300];
        snprintf(line, sizeof(line), "%s/%d", entry->d_name, entry->d_type);
        names[count++] = strdup(line);
    }
    closedir(folder);
    qsort(names, count, sizeof(names[0]), by_name);
    printf("folder %s:", path);
    for (size_t i = 0; i < count; i++) {
        printf(" %s", names[i]);
        free(names[i]);
    }
    printf("\n");
}

static void bytes(void)
{
    char buffer[100] = {0};
    int file = open("bytes", O_RDWR | O_CREAT | O_EXCL, 0644);
    SHOW(open("bytes", O_RDWR | O_CREAT | O_EXCL, 0644));
    SHOW(write(file, "0123456789", 10));
    SHOW(lseek(file, 0, SEEK_CUR));
    SHOW(pread(file, buffer, 4, 3));
    printf("%s\n", buffer);
    SHOW(pwrite(file, "AB", 2, 8));
    SHOW(lseek(file, -3, SEEK_END));
    memset(buffer, 0, sizeof(buffer));
    SHOW(read(file, buffer, 50));
    printf("%s\n", buffer);
    SHOW(read(file, buffer, 50));
    SHOW(lseek(file, -1, SEEK_SET));
    SHOW(lseek(file, 0, 9));
    SHOW(pread(file, buffer, 4, -1));
    SHOW(ftruncate(file, 5));
    SHOW(lseek(file, 0, SEEK_END));
    SHOW(ftruncate(file, 9000));
    SHOW(pread(file, buffer, 20, 0));
    printf("%d %d\n", buffer[4], buffer[5]);
    SHOW(ftruncate(file, -1));
    SHOW(lseek(file, 100000, SEEK_SET));
    SHOW(write(file, "end", 3));
    SHOW(lseek(file, 0, SEEK_END));
    struct iovec parts[3] = {{"one", 3}, {"", 0}, {"three", 5}};
    SHOW(pwritev(file, parts, 3, 50));
    char first[4] = {0}, second[9] = {0};
    struct iovec in[2] = {{first, 3}, {second, 8}};
    SHOW(preadv(file, in, 2, 50));
    printf("%s|%.5s\n", first, second);
    SHOW(read(file, wild, 10));
    SHOW(lseek(file, 0, SEEK_SET));
    SHOW(read(file, wild, 10));
    SHOW(write(file, wild, 10));
    SHOW(fsync(file));
    SHOW(fdatasync(file));
    SHOW(flock(file, LOCK_EX));
    int left = -1;
    SHOW(ioctl(file, FIONREAD, &left));
    printf("%d\n", left);
    SHOW(close(file));
    SHOW(close(file));
    file = open("bytes", O_WRONLY | O_APPEND);
    SHOW(write(file, "tail", 4));
    SHOW(read(file, buffer, 1));
    SHOW(lseek(file, 0, SEEK_CUR));
    SHOW(fcntl(file, F_GETFL) & (O_APPEND | O_ACCMODE));
    int copy = dup(file);
    SHOW(lseek(copy, 10, SEEK_SET));
    SHOW(lseek(file, 0, SEEK_CUR));
    SHOW(close(copy));
    close(file);
    SHOW(truncate("bytes", 3));
    show_stat("bytes");
    file = open("bytes", O_RDONLY);
    SHOW(write(file, "x", 1));
    close(file);
    SHOW(truncate("none", 3));
    SHOW(open("bytes", O_RDONLY | O_DIRECTORY));
    SHOW(open("bytes/x", O_RDONLY));
    SHOW(open("bytes/", O_RDONLY));
    SHOW(open("", O_RDONLY));
    SHOW(open(wild, O_RDONLY));
    SHOW(open("newfile/", O_WRONLY | O_CREAT, 0644));
    SHOW(open(".", O_WRONLY));
    SHOW(unlink("bytes"));
    SHOW(unlink("bytes"));
}

static void names(void)
{
    char target[100] = {0}, name[300];
    SHOW(mkdir("folder", 0755));
    SHOW(mkdir("folder", 0755));
    SHOW(mkdir("folder/", 0755));
    SHOW(mkdir("none/folder", 0755));
    SHOW(mkdir(".", 0755));
    SHOW(mkdir("/", 0755));
    SHOW(mkdir("folder/inner", 0700));
    SHOW(close(open("folder/file", O_CREAT | O_WRONLY, 0666)) * 0);
    show_folder("folder");
    SHOW(rmdir("folder"));
    SHOW(rmdir("folder/file"));
    SHOW(rmdir("folder/."));
    SHOW(rmdir("folder/inner/.."));
    SHOW(unlink("folder"));
    SHOW(link("folder/file", "hard"));
    SHOW(link("folder/file", "hard"));
    SHOW(link("folder", "hard2"));
    show_stat("hard");
    SHOW(symlink("folder/file", "soft"));
    SHOW(symlink("folder/file", "soft"));
    SHOW(symlink("", "empty"));
    SHOW(readlink("soft", target, sizeof(target)));
    printf("%s\n", target);
    SHOW(readlink("soft", target, 3));
    SHOW(readlink("hard", target, 3));
    SHOW(readlink("none", target, 3));
    show_stat("soft");
    SHOW(close(open("soft", O_RDONLY)) * 0);
    SHOW(open("soft", O_RDONLY | O_NOFOLLOW));
    SHOW(open("soft", O_RDONLY | O_CREAT | O_EXCL, 0600));
    SHOW(symlink("made", "dangling"));
    SHOW(open("dangling", O_RDONLY));
    SHOW(close(open("dangling", O_CREAT | O_WRONLY, 0600)) * 0);
    show_stat("made");
    SHOW(symlink("loop", "loop"));
    SHOW(open("loop", O_RDONLY));
    SHOW(symlink("folder", "way"));
    show_stat("way/");
    show_stat("way/file");
    show_stat("way/inner/../file");
    show_stat("way/../hard");
    show_stat("../../../../../../../../../..");
    SHOW(rename("hard", "harder"));
    SHOW(rename("none", "harder"));
    SHOW(rename("folder", "harder"));
    SHOW(rename("harder", "folder"));
    SHOW(rename("folder", "folder/inner/x"));
    SHOW(rename("folder/inner", "inner"));
    SHOW(rename("inner", "folder"));
    SHOW(mkdir("empty", 0755));
    SHOW(rename("inner", "empty"));
    SHOW(rename("harder", "folder/file"));
    show_stat("harder");
    SHOW(rename("harder", "made"));
    SHOW(rename("soft", "softer"));
    SHOW(rename_flags("made", "softer", 1));
    show_folder(".");
    memset(name, 'n', sizeof(name));
    name[256] = 0;
    SHOW(open(name, O_CREAT | O_WRONLY, 0600));
    name[255] = 0;
    SHOW(close(open(name, O_CREAT | O_WRONLY, 0600)) * 0);
    SHOW(unlink(name));
    static char path[5000];
    memset(path, '/', sizeof(path) - 1);
    SHOW(open(path, O_RDONLY));
    SHOW(access("made", R_OK | W_OK));
    SHOW(access("none", F_OK));
    SHOW(chmod("made", 0400));
    show_stat("made");
    SHOW(chmod("made", 0755));
    struct timespec times[2] = {{1000, 5}, {2000, 7}};
    struct stat status;
    SHOW(utimensat(AT_FDCWD, "made", times, 0));
    stat("made", &status);
    printf("%ld.%ld %ld.%ld\n", status.st_atim.tv_sec, status.st_atim.tv_nsec,
           status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    int folder = open("folder", O_RDONLY | O_DIRECTORY);
    SHOW(mkdirat(folder, "at", 0711));
    SHOW(symlinkat("../made", folder, "link"));
    SHOW(fstatat(folder, "link", &status, 0));
    printf("%o\n", status.st_mode);
    SHOW(unlinkat(folder, "link", 0));
    SHOW(unlinkat(folder, "at", 0));
    SHOW(unlinkat(folder, "at", AT_REMOVEDIR));
    SHOW(read(folder, name, 10));
    SHOW(fchdir(folder));
    SHOW(access("file", F_OK));
    SHOW(chdir(".."));
    SHOW(chdir("made"));
    SHOW(chdir("none"));
    close(folder);
    umask(077);
    SHOW(mkdir("masked", 0777));
    show_stat("masked");
    umask(022);
}

static void many(void)
{
    char name[32];
    SHOW(mkdir("many", 0755));
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "many/file-%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    int seen = 0, removed = 0;
    DIR *folder = opendir("many");
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        seen++;
        snprintf(name, sizeof(name), "many/%.20s", entry->d_name);
        removed += unlink(name) == 0;
    }
    closedir(folder);
    printf("many: %d seen, %d removed\n", seen, removed);
    SHOW(rmdir("many"));
}

static void pipes(void)
{
    int ends[2];
    char buffer[10] = {0};
    SHOW(pipe2(ends, O_NONBLOCK));
    SHOW(read(ends[0], buffer, 5));
    SHOW(write(ends[1], "hello", 5));
    struct pollfd poll_for = {ends[0], POLLIN, 0};
    SHOW(poll(&poll_for, 1, 0));
    SHOW(read(ends[0], buffer, 9));
    printf("%s\n", buffer);
    long filled = 0, got;
    static char block[4096];
    while ((got = write(ends[1], block, sizeof(block))) > 0)
        filled += got;
    printf("pipe: %ld, then %s\n", filled, strerror(errno));
    SHOW(lseek(ends[0], 0, SEEK_SET));
    SHOW(write(ends[0], "x", 1));
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write(ends[1], "x", 1));
    close(ends[1]);
    SHOW(pipe(ends));
    close(ends[1]);
    SHOW(read(ends[0], buffer, 1));
    close(ends[0]);
    SHOW(pipe(wild));
}

static void copies(void)
{
    static char block[300000];
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)(i * 7 + i / 1000);
    int from = open("from", O_RDWR | O_CREAT, 0644), to = open("to", O_RDWR | O_CREAT, 0644);
    SHOW(write(from, block, sizeof(block)));
    off_t offset = 100;
    SHOW(sendfile(to, from, &offset, 200000));
    printf("%ld\n", (long)offset);
    loff_t in = 0, out = 1000;
    SHOW(copy_file_range(from, &in, to, &out, 50000, 0));
    printf("%ld %ld\n", (long)in, (long)out);
    unsigned sum = 0;
    long got;
    lseek(to, 0, SEEK_SET);
    while ((got = read(to, block, 77777)) > 0)
        for (long i = 0; i < got; i++)
            sum = sum * 31 + (unsigned char)block[i];
    printf("sum %u\n", sum);
    unsigned char *map = mmap(NULL, 200000, PROT_READ | PROT_WRITE, MAP_PRIVATE, from, 4096);
    SHOW(map == MAP_FAILED ? -1 : 0);
    if (map != MAP_FAILED) {
        sum = 0;
        for (long i = 0; i < 200000; i++)
            sum = sum * 31 + map[i];
        map[5] = 1;
        printf("mapped sum %u\n", sum);
        pread(from, block, 1, 4096 + 5);
        printf("private %d\n", block[0] != 1);
        SHOW(munmap(map, 200000));
    }
    SHOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED ? -1 : 0);
    close(from);
    close(to);
}

int main(int count, char **arguments)
{
    if (count > 1 && chdir(arguments[1]) != 0) {
        perror("chdir");
        return 1;
    }
    umask(022);
    bytes();
    names();
    many();
    pipes();
    copies();
    printf("%ld calls shown\n", checks);
    return 0;
}

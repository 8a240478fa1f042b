/* A Debian cloud kernel with one static program as its /init, in the same QEMU with the same flags
 * as an Atoll machine: prints what the program prints.
 *
 *   bench/linux_guest KERNEL PROGRAM CORES FOLDER [ARG...]     FOLDER: for the initramfs
 *
 * Ends with 0 when the program has come to its end ("# done"), 1 otherwise, and after LIMIT
 * seconds. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT 300 /* s */

/* One member of a cpio archive ("newc": what the kernel unpacks): header, name, content, each
 * padded to 4 bytes. */
static bool put_member(FILE *archive, const char *name, unsigned mode, const void *bytes,
                       size_t size)
{
    static const char zeros[4];
    size_t head = 110 + strlen(name) + 1;

    fprintf(archive, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 0, mode, 0, 0,
            1, 0, size, 0, 0, 5, 1, strlen(name) + 1, 0);
    fwrite(name, 1, strlen(name) + 1, archive);
    fwrite(zeros, 1, -head & 3, archive);
    fwrite(bytes, 1, size, archive);
    fwrite(zeros, 1, -size & 3, archive);
    return !ferror(archive);
}

static bool make_initramfs(const char *path, const char *program)
{
    FILE *in = fopen(program, "rbe"), *out = fopen(path, "wbe");
    struct stat status;
    char *bytes = NULL;
    bool good = in && out && !fstat(fileno(in), &status) &&
                (bytes = malloc((size_t)status.st_size)) &&
                fread(bytes, 1, (size_t)status.st_size, in) == (size_t)status.st_size &&
                put_member(out, "dev", S_IFDIR | 0755, "", 0) &&
                put_member(out, "dev/console", S_IFCHR | 0600, "", 0) &&
                put_member(out, "init", S_IFREG | 0755, bytes, (size_t)status.st_size) &&
                put_member(out, "TRAILER!!!", 0, "", 0);

    free(bytes);
    if (in)
        fclose(in);
    if (out && fclose(out))
        good = false;
    if (!good)
        fprintf(stderr, "bench/linux_guest: cannot make %s from %s\n", path, program);
    return good;
}

int main(int argc, char **argv)
{
    char initramfs[512], cores[64], append[512] = "console=ttyS0 quiet panic=-1 --", line[1024];
    int ends[2], status;
    bool done = false;

    if (argc < 5) {
        fprintf(stderr, "usage: linux_guest KERNEL PROGRAM CORES FOLDER [ARG...]\n");
        return 2;
    }
    snprintf(initramfs, sizeof(initramfs), "%s/initramfs-%d", argv[4], (int)getpid());
    snprintf(cores, sizeof(cores), "%s,sockets=1,cores=%s,threads=1", argv[3], argv[3]);
    for (int i = 5; i < argc; i++) {
        strncat(append, " ", sizeof(append) - strlen(append) - 1);
        strncat(append, argv[i], sizeof(append) - strlen(append) - 1);
    }
    if (!make_initramfs(initramfs, argv[2]) || pipe(ends))
        return 1;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], 1);
        /* As proxy/qemu_command.c has it; qboot's firmware knows no bzImage, hence SeaBIOS. */
        execlp("qemu-system-x86_64", "qemu-system-x86_64", "-name", "linux", "-nodefaults",
               "-no-user-config", "-display", "none", "-no-reboot", "-M",
               "q35,smbus=off,sata=off,usb=off,vmport=off,hpet=off,i8042=off", "-accel",
               "tcg,thread=multi", "-cpu", "max,-erms", "-smp", cores, "-m", "512M", "-kernel",
               argv[1], "-initrd", initramfs, "-append", append, "-serial", "stdio", NULL);
        perror("bench/linux_guest: qemu-system-x86_64");
        _exit(127);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "re");
    /* The time limit ends QEMU, and with it the reading. */
    pid_t guard = fork();
    if (guard == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sleep(LIMIT);
        kill(child, SIGKILL);
        _exit(0);
    }
    while (from && fgets(line, sizeof(line), from)) {
        line[strcspn(line, "\r\n")] = '\0';
        done |= !strcmp(line, "# done");
        puts(line);
    }
    waitpid(child, &status, 0);
    kill(guard, SIGKILL);
    waitpid(guard, &status, 0);
    unlink(initramfs);
    return !done;
}

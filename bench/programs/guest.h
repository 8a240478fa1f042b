/* What a measuring program does when it is the first process of a Linux guest (/init of its
 * initramfs): make what every program finds elsewhere, and turn the guest off when it is done. */
#ifndef BENCH_PROGRAMS_GUEST_H
#define BENCH_PROGRAMS_GUEST_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

static bool guest_begin(const char *path)
{
    if (strcmp(path, "/init") != 0)
        return false;
    mkdir("/tmp", 0777);
    mkdir("/proc", 0555);
    mkdir("/sys", 0555);
    mkdir("/dev", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    if (console >= 0) {
        dup2(console, 1);
        dup2(console, 2);
    }
    return true;
}

static void guest_end(void)
{
    printf("# done\n");
    fflush(stdout);
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

#endif

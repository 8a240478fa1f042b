/* The clocks that the vDSO serves agree with the system calls, and cost none. */
#include <elf.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long call(int clock)
{
    struct timespec time;

    syscall(SYS_clock_gettime, clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long library(int clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(void)
{
    static const struct {
        int clock;
        const char *name;
    } clocks[] = {{CLOCK_REALTIME, "realtime"},
                  {CLOCK_MONOTONIC, "monotonic"},
                  {CLOCK_BOOTTIME, "boottime"},
                  {CLOCK_PROCESS_CPUTIME_ID, "process"}};
    const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
    struct timeval day;

    printf("image: %s\n", image && !memcmp(image, ELFMAG, SELFMAG) ? "there" : "missing");
    for (size_t i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
        int wrong = 0;

        for (int turn = 0; turn < 1000; turn++) {
            long long before = call(clocks[i].clock), now = library(clocks[i].clock);
            long long after = call(clocks[i].clock);

            wrong += now < before || now > after;
        }
        printf("%s: %d out of order\n", clocks[i].name, wrong);
    }
    long long before = call(CLOCK_REALTIME) / 1000;
    gettimeofday(&day, NULL);
    long long now = day.tv_sec * 1000000LL + day.tv_usec, after = call(CLOCK_REALTIME) / 1000;
    printf("gettimeofday: %s\n", now >= before && now <= after ? "in order" : "out of order");
    long seconds = call(CLOCK_REALTIME) / 1000000000;
    time_t second = time(NULL);
    printf("time: %s\n", second >= seconds - 1 && second <= seconds + 1 ? "the same" : "another");
    int core = sched_getcpu();
    printf("core: %s\n",
           core >= 0 && core < sysconf(_SC_NPROCESSORS_CONF) ? "one of them" : "none");
    return 0;
}

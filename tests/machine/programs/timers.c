/* Timers and signals as files: timerfd, signalfd, setitimer, POSIX timers, sleeping on clocks. Says
 * "good" for each thing that holds; the same lines must come out on Linux. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000L

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct timespec time_of(int64_t nanoseconds)
{
    return (struct timespec){nanoseconds / 1000000000, nanoseconds % 1000000000};
}

static struct itimerspec setting(int64_t value, int64_t period)
{
    return (struct itimerspec){time_of(period), time_of(value)};
}

static void check(const char *what, int holds)
{
    printf("%s: %s\n", what, holds ? "good" : "BAD");
}

static const char *error_name(long result)
{
    if (result >= 0)
        return "fine";
    switch (errno) {
    case EAGAIN:
        return "EAGAIN";
    case EINVAL:
        return "EINVAL";
    case EFAULT:
        return "EFAULT";
    case EBADF:
        return "EBADF";
    case EINTR:
        return "EINTR";
    case EOPNOTSUPP:
        return "EOPNOTSUPP";
    case EBUSY:
        return "EBUSY";
    default:
        return strerror(errno);
    }
}

static void burn(int64_t nanoseconds)
{
    int64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start < nanoseconds) {
    }
}

/* --- timerfd ---------------------------------------------------------------------------------- */

static void try_timerfd(const char *name, int clock)
{
    int fd = timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC);
    struct itimerspec now, once = setting(20 * MS, 0), often = setting(5 * MS, 5 * MS);
    struct pollfd entry = {fd, POLLIN, 0};
    uint64_t count = 0;
    int64_t start = clock_ns(CLOCK_MONOTONIC);

    printf("%s\n", name);
    check("made",
          fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) && (fcntl(fd, F_GETFL) & O_NONBLOCK));
    printf("nothing yet: %s\n", error_name(read(fd, &count, 8)));
    check("not armed",
          timerfd_gettime(fd, &now) == 0 && now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0);
    check("armed", timerfd_settime(fd, 0, &once, NULL) == 0);
    check("left", timerfd_gettime(fd, &now) == 0 && now.it_value.tv_nsec <= 20 * MS);
    check("not ready", poll(&entry, 1, 0) == 0);
    check("ready", poll(&entry, 1, 2000) == 1 && entry.revents == POLLIN);
    check("not early", clock_ns(CLOCK_MONOTONIC) - start >= 20 * MS);
    printf("short read: %s\n", error_name(read(fd, &count, 7)));
    check("once", read(fd, &count, 8) == 8 && count == 1);
    printf("taken: %s\n", error_name(read(fd, &count, 8)));
    check("over", timerfd_gettime(fd, &now) == 0 && now.it_value.tv_nsec == 0);

    start = clock_ns(CLOCK_MONOTONIC);
    check("periodic", timerfd_settime(fd, 0, &often, NULL) == 0);
    usleep(32000);
    check("several", read(fd, &count, 8) == 8 && count >= 6 &&
                         (int64_t)count <= (clock_ns(CLOCK_MONOTONIC) - start) / (5 * MS));
    fcntl(fd, F_SETFL, 0);
    check("waits for the next", read(fd, &count, 8) == 8 && count >= 1);
    check("period", timerfd_gettime(fd, &now) == 0 && now.it_interval.tv_nsec == 5 * MS &&
                        now.it_value.tv_nsec > 0);
    struct itimerspec off = setting(0, 0), past = setting(1, 0);
    check("former", timerfd_settime(fd, 0, &off, &now) == 0 && now.it_interval.tv_nsec == 5 * MS);
    past.it_value = time_of(clock_ns(clock) - 100 * MS);
    past.it_interval = time_of(40 * MS);
    check("a time gone by", timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, NULL) == 0 &&
                                read(fd, &count, 8) == 8 && count >= 3 && count < 30);
    past = setting(clock_ns(clock) + 15 * MS, 0);
    start = clock_ns(clock);
    check("a time to come", timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, NULL) == 0 &&
                                read(fd, &count, 8) == 8 && count == 1 &&
                                clock_ns(clock) - start >= 15 * MS - MS);
    close(fd);
}

static void try_epoll(void)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), set = epoll_create1(0);
    struct epoll_event event = {EPOLLIN | EPOLLET, {.fd = timer}};
    struct itimerspec once = setting(10 * MS, 0);
    uint64_t count;

    check("into the set", epoll_ctl(set, EPOLL_CTL_ADD, timer, &event) == 0);
    timerfd_settime(timer, 0, &once, NULL);
    check("told", epoll_wait(set, &event, 1, 2000) == 1 && event.data.fd == timer);
    check("told once", epoll_wait(set, &event, 1, 0) == 0);
    timerfd_settime(timer, 0, &once, NULL);
    check("told again", epoll_wait(set, &event, 1, 2000) == 1);
    check("taken", read(timer, &count, 8) == 8 && count == 1);
    close(timer);
    close(set);
}

static void timerfd_errors(void)
{
    struct itimerspec bad = setting(1, 0), good = setting(1, 0);
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);

    bad.it_value.tv_nsec = 1000000000;
    printf("clock: %s\n", error_name(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0)));
    printf("flags: %s\n", error_name(timerfd_create(CLOCK_MONOTONIC, 4)));
    printf("time: %s\n", error_name(timerfd_settime(fd, 0, &bad, NULL)));
    printf("settime's flags: %s\n", error_name(timerfd_settime(fd, 8, &good, NULL)));
    printf("no timer: %s\n", error_name(timerfd_settime(1, 0, &good, NULL)));
    printf("no file: %s\n", error_name(timerfd_settime(77, 0, &good, NULL)));
    printf("write: %s\n", error_name(write(fd, &good, 8)));
    close(fd);
}

/* --- signalfd --------------------------------------------------------------------------------- */

static void *kill_later(void *argument)
{
    usleep(20000);
    kill(getpid(), (int)(long)argument);
    return NULL;
}

static void try_signalfd(void)
{
    sigset_t set;
    struct signalfd_siginfo told[3];
    pthread_t thread;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    struct pollfd entry = {fd, POLLIN, 0};
    printf("nothing yet: %s\n", error_name(read(fd, told, sizeof(told))));
    printf("short: %s\n", error_name(read(fd, told, 100)));
    check("not ready", poll(&entry, 1, 0) == 0);
    raise(SIGUSR1);
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 42});
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 43});
    check("ready", poll(&entry, 1, 0) == 1);
    check("three at once", read(fd, told, sizeof(told)) == sizeof(told));
    check("raised", told[0].ssi_signo == SIGUSR1 && told[0].ssi_code == SI_TKILL &&
                        told[0].ssi_pid == (uint32_t)getpid());
    check("queued", told[1].ssi_signo == (uint32_t)SIGRTMIN + 1 && told[1].ssi_code == SI_QUEUE &&
                        told[1].ssi_int == 42 && told[2].ssi_int == 43);
    check("no more", poll(&entry, 1, 0) == 0);
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.fd = fd}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    pthread_create(&thread, NULL, kill_later, (void *)(long)SIGUSR1);
    check("epoll is woken", epoll_wait(epoll, &event, 1, 2000) == 1);
    pthread_join(thread, NULL);
    check("killed", read(fd, told, sizeof(told)) == sizeof(told[0]) && told[0].ssi_code == SI_USER);
    fcntl(fd, F_SETFL, 0);
    pthread_create(&thread, NULL, kill_later, (void *)(long)(SIGRTMIN + 1));
    check("read waits", read(fd, told, sizeof(told)) == sizeof(told[0]) &&
                            told[0].ssi_signo == (uint32_t)SIGRTMIN + 1);
    pthread_join(thread, NULL);
    sigdelset(&set, SIGUSR1);
    check("another set", signalfd(fd, &set, 0) == fd);
    raise(SIGUSR1);
    check("not of the set", poll(&entry, 1, 0) == 0);
    printf("no signalfd: %s\n", error_name(signalfd(1, &set, 0)));
    struct timespec at_once = {0, 0};
    sigaddset(&set, SIGUSR1);
    check("still pending", sigtimedwait(&set, NULL, &at_once) == SIGUSR1);
    close(epoll);
    close(fd);
}

/* --- setitimer and alarm ---------------------------------------------------------------------- */

static volatile sig_atomic_t handled;
static volatile int last_code, last_overrun, last_value;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    handled++;
    last_code = info->si_code;
    last_overrun = info->si_overrun;
    last_value = info->si_value.sival_int;
}

static void handle(int signal)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

    sigaction(signal, &action, NULL);
    handled = 0;
}

static void try_itimers(void)
{
    struct itimerval often = {{0, 5000}, {0, 5000}}, off = {{0, 0}, {0, 0}}, now;
    struct timespec long_time = {5, 0};

    handle(SIGALRM);
    check("set", setitimer(ITIMER_REAL, &often, NULL) == 0);
    while (handled < 4)
        pause();
    check("the kernel sent it", last_code == SI_KERNEL);
    check("its period", getitimer(ITIMER_REAL, &now) == 0 && now.it_interval.tv_usec == 5000);
    check("off", setitimer(ITIMER_REAL, &off, &now) == 0 && now.it_interval.tv_usec == 5000);
    check("none left", getitimer(ITIMER_REAL, &now) == 0 && now.it_value.tv_usec == 0);
    printf("alarm before: %u\n", alarm(10));
    printf("alarm left: %u\n", alarm(0));
    struct itimerval once = {{0, 0}, {0, 10000}};
    setitimer(ITIMER_REAL, &once, NULL);
    struct timespec left = {9, 0};
    printf("a sleep is broken off: %s\n", error_name(nanosleep(&long_time, &left)));
    check("what is left of it", left.tv_sec == 4 || left.tv_sec == 3);

    handle(SIGPROF);
    setitimer(ITIMER_PROF, &often, NULL);
    int64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    while (handled < 3) {
    }
    check("not before the CPU time is used", clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu >= 10 * MS);
    setitimer(ITIMER_PROF, &off, NULL);
    handle(SIGVTALRM);
    setitimer(ITIMER_VIRTUAL, &once, NULL);
    usleep(30000);
    check("sleeping is not working", handled == 0);
    for (int64_t start = clock_ns(CLOCK_MONOTONIC);
         handled == 0 && clock_ns(CLOCK_MONOTONIC) - start < 20000 * MS;) {
        for (volatile int i = 0; i < 10000; i++) {
        }
    }
    check("virtual", handled == 1);
    printf("which: %s\n", error_name(syscall(SYS_setitimer, 7, &once, NULL)));
    once.it_value.tv_usec = 1000000;
    printf("time: %s\n", error_name(setitimer(ITIMER_REAL, &once, NULL)));
}

/* --- POSIX timers ----------------------------------------------------------------------------- */

static timer_t timer_of(int clock, int signal, int value)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal};
    timer_t timer;

    event.sigev_value.sival_int = value;
    check("timer made", timer_create(clock, &event, &timer) == 0);
    return timer;
}

static void *in_a_thread(void *argument)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
    struct itimerspec once = setting(10 * MS, 0);
    sigset_t set;
    int id;

    (void)argument;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    ((int *)&event)[4] = (int)syscall(SYS_gettid);
    check("for a thread", syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) == 0);
    syscall(SYS_timer_settime, id, 0, &once, NULL);
    check("to that thread", sigwaitinfo(&set, NULL) == SIGUSR2);
    syscall(SYS_timer_delete, id);
    return NULL;
}

static volatile sig_atomic_t threads_called;

static void on_thread(union sigval value)
{
    threads_called = value.sival_int;
}

static void try_posix_timers(void)
{
    struct itimerspec now, often = setting(2 * MS, 2 * MS), once = setting(5 * MS, 0);
    sigset_t set, before;
    siginfo_t info;
    pthread_t thread;

    handle(SIGUSR2);
    timer_t timer = timer_of(CLOCK_MONOTONIC, SIGUSR2, 7);
    timer_settime(timer, 0, &once, NULL);
    while (handled == 0)
        usleep(1000);
    check("its value", last_code == SI_TIMER && last_value == 7 && last_overrun == 0);
    check("over", timer_gettime(timer, &now) == 0 && now.it_value.tv_nsec == 0);

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, &before);
    timer_settime(timer, 0, &often, NULL);
    usleep(25000);
    check("one for many", sigwaitinfo(&set, &info) == SIGUSR2 && info.si_overrun >= 8);
    check("told again", timer_getoverrun(timer) == info.si_overrun);
    check("goes on", sigwaitinfo(&set, &info) == SIGUSR2 && info.si_code == SI_TIMER);
    check("period", timer_gettime(timer, &now) == 0 && now.it_interval.tv_nsec == 2 * MS);
    check("deleted", timer_delete(timer) == 0);
    struct timespec short_time = {0, 10 * MS};
    sigtimedwait(&set, NULL, &short_time); /* what was pending */
    printf("then silence: %s\n", error_name(sigtimedwait(&set, NULL, &short_time)));

    timer = timer_of(CLOCK_REALTIME, SIGUSR2, 8);
    struct itimerspec at = setting(clock_ns(CLOCK_REALTIME) + 10 * MS, 0);
    timer_settime(timer, TIMER_ABSTIME, &at, NULL);
    check("at a time of day", sigwaitinfo(&set, &info) == SIGUSR2 &&
                                  clock_ns(CLOCK_REALTIME) >=
                                      at.it_value.tv_sec * 1000000000L + at.it_value.tv_nsec - MS);
    timer_delete(timer);
    timer = timer_of(CLOCK_THREAD_CPUTIME_ID, SIGUSR2, 9);
    timer_settime(timer, 0, &once, NULL);
    printf("no CPU time, no signal: %s\n", error_name(sigtimedwait(&set, NULL, &short_time)));
    burn(12 * MS);
    check("on CPU time", sigwaitinfo(&set, &info) == SIGUSR2 && info.si_value.sival_int == 9);
    timer_delete(timer);
    sigprocmask(SIG_SETMASK, &before, NULL);

    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    check("silent", timer_create(CLOCK_BOOTTIME, &none, &timer) == 0);
    timer_settime(timer, 0, &often, NULL);
    usleep(5000);
    check("still counted down", timer_gettime(timer, &now) == 0 && now.it_value.tv_nsec > 0 &&
                                    now.it_value.tv_nsec <= 2 * MS);
    timer_delete(timer);
    pthread_create(&thread, NULL, in_a_thread, NULL);
    pthread_join(thread, NULL);

    struct sigevent call = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_thread};
    call.sigev_value.sival_int = 5;
    check("by a thread", timer_create(CLOCK_MONOTONIC, &call, &timer) == 0);
    timer_settime(timer, 0, &once, NULL);
    for (int i = 0; i < 2000 && threads_called == 0; i++)
        usleep(1000);
    check("it was called", threads_called == 5);
    timer_delete(timer);

    int id;
    printf("clock: %s\n", error_name(syscall(SYS_timer_create, 99, NULL, &id)));
    printf("raw clock: %s\n",
           error_name(syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, NULL, &id)));
    printf("no such timer: %s\n", error_name(syscall(SYS_timer_delete, 12345)));
    printf("no such timer: %s\n", error_name(syscall(SYS_timer_settime, 12345, 0, &once, NULL)));
    printf("nothing to set: %s\n", error_name(syscall(SYS_timer_settime, 12345, 0, NULL, NULL)));
    printf("no place: %s\n", error_name(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, NULL)));
}

/* --- Sleeping --------------------------------------------------------------------------------- */

static volatile int burning = 1;

static void *burner(void *argument)
{
    while (burning) {
    }
    return argument;
}

static void try_sleeping(void)
{
    struct timespec until = time_of(clock_ns(CLOCK_REALTIME) + 15 * MS), left = {3, 3};
    struct itimerval once = {{0, 0}, {0, 10000}};
    pthread_t thread;

    check("until a time of day", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == 0);
    until = time_of(clock_ns(CLOCK_REALTIME) - 1000 * MS);
    check("in the past", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == 0);
    handle(SIGALRM);
    setitimer(ITIMER_REAL, &once, NULL);
    until = time_of(clock_ns(CLOCK_MONOTONIC) + 5000 * MS);
    check("an absolute sleep is broken off",
          clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, &left) == EINTR);
    check("and does not tell what is left", left.tv_sec == 3 && left.tv_nsec == 3);

    pthread_create(&thread, NULL, burner, NULL);
    int64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    struct timespec work = time_of(20 * MS);
    check("while another works", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &work, NULL) == 0 &&
                                     clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu >= 20 * MS);
    clockid_t other;
    pthread_getcpuclockid(thread, &other);
    cpu = clock_ns(other);
    check("on its clock",
          clock_nanosleep(other, 0, &work, NULL) == 0 && clock_ns(other) - cpu >= 20 * MS);
    burning = 0;
    pthread_join(thread, NULL);
    check("not on one's own",
          syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &work, NULL) < 0 &&
              errno == EOPNOTSUPP);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    try_timerfd("monotonic", CLOCK_MONOTONIC);
    try_timerfd("realtime", CLOCK_REALTIME);
    try_timerfd("boottime", CLOCK_BOOTTIME);
    try_epoll();
    timerfd_errors();
    try_signalfd();
    try_itimers();
    try_posix_timers();
    try_sleeping();
    return 0;
}

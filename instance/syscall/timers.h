/* What taking a signal means for the timer that sent it (signal.c tells), and the structs of the
 * timer calls. */
#ifndef INSTANCE_SYSCALL_TIMERS_H
#define INSTANCE_SYSCALL_TIMERS_H

#include "abi/linux/signal.h"
#include "instance/sched/interval.h"

/* The signal of POSIX timer `timer` is about to reach its handler: fills in how many expirations
 * came beside it, and lets the timer run on. */
void timers_signal_taken(int32_t timer, struct linux_siginfo *info);
/* A SIGALRM, whoever sent it: setitimer's timer runs on. */
void timers_alarm_taken(void);

/* A setting as timer_settime and timerfd_settime have it, struct itimerspec. */
struct timer_setting {
    uint64_t value, period; /* ns; value 0: to be disarmed */
};
int timer_setting_read(uint64_t at, struct timer_setting *setting); /* 0, -EFAULT, -EINVAL */
int timer_setting_write(uint64_t at, uint64_t value, uint64_t period);

/* When that is on the interval's clock, 0: disarmed. `clock` as the program named it. */
uint64_t timer_expiry(const struct interval *interval, int clock, uint64_t value, bool absolute);

#endif

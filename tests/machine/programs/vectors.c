/* Floating-point and vector state belongs to each thread: through preemption (threads outnumber the
 * cores and never yield), through system calls, and through signal handlers that change it. */
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4

static volatile sig_atomic_t handled;

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* All sixteen registers, 32 bytes each where the processor has AVX, filled, kept for a while
 * without a call, and read back. Returns how many bytes have changed. */
__attribute__((target("avx"))) static long keep_avx(uint8_t seed)
{
    uint8_t before[8][32] __attribute__((aligned(32))), after[8][32] __attribute__((aligned(32)));
    long wrong = 0;

    for (int i = 0; i < 8; i++)
        memset(before[i], seed + i, 32);
    __asm__ volatile("vmovdqa (%0), %%ymm8\n\tvmovdqa 32(%0), %%ymm9\n\t"
                     "vmovdqa 64(%0), %%ymm10\n\tvmovdqa 96(%0), %%ymm11\n\t"
                     "vmovdqa 128(%0), %%ymm12\n\tvmovdqa 160(%0), %%ymm13\n\t"
                     "vmovdqa 192(%0), %%ymm14\n\tvmovdqa 224(%0), %%ymm15\n\t"
                     "mov $400000, %%ecx\n\t1: dec %%ecx\n\tjnz 1b\n\t"
                     "vmovdqa %%ymm8, (%1)\n\tvmovdqa %%ymm9, 32(%1)\n\t"
                     "vmovdqa %%ymm10, 64(%1)\n\tvmovdqa %%ymm11, 96(%1)\n\t"
                     "vmovdqa %%ymm12, 128(%1)\n\tvmovdqa %%ymm13, 160(%1)\n\t"
                     "vmovdqa %%ymm14, 192(%1)\n\tvmovdqa %%ymm15, 224(%1)"
                     :
                     : "r"(before), "r"(after)
                     : "rcx", "memory", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15");
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 32; k++)
            wrong += before[i][k] != after[i][k];
    return wrong;
}

/* The same in SSE alone. */
static long keep_sse(uint8_t seed)
{
    uint8_t before[16], after[16];

    memset(before, seed, 16);
    __asm__ volatile("movdqu (%0), %%xmm9\n\tmov $400000, %%ecx\n\t1: dec %%ecx\n\tjnz 1b\n\t"
                     "movdqu %%xmm9, (%1)"
                     :
                     : "r"(before), "r"(after)
                     : "rcx", "memory", "xmm9");
    return memcmp(before, after, 16) != 0;
}

static void *body(void *argument)
{
    static const int modes[THREADS] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    intptr_t self = (intptr_t)argument, wrong = 0;
    double end = seconds_now() + 0.3;
    volatile long double third = 1;

    fesetround(modes[self]);
    while (seconds_now() < end) {
        uint8_t seed = (uint8_t)(self * 50 + 1);

        wrong += __builtin_cpu_supports("avx") ? keep_avx(seed) : keep_sse(seed);
        /* The rounding mode lies in MXCSR and the x87 control word: both are the thread's own. */
        wrong += fegetround() != modes[self];
        third = third / 3 * 3;
        if (self == 0)
            usleep(100);
    }
    wrong += third < 0.99L || third > 1.01L;
    return (void *)wrong;
}

static void on_signal(int signal)
{
    volatile double x = 1;

    (void)signal;
    handled++;
    for (int i = 0; i < 100; i++)
        x = x * 1.5 - 0.25;
    __asm__ volatile("pxor %%xmm9, %%xmm9\n\tpxor %%xmm15, %%xmm15" : : : "xmm9", "xmm15");
    fesetround(FE_UPWARD);
}

static pthread_t main_thread;
static volatile int done;
static void *pester(void *argument)
{
    while (!done) {
        pthread_kill(main_thread, SIGUSR1);
        usleep(2000);
    }
    return argument;
}

int main(void)
{
    pthread_t ids[THREADS];
    long wrong = 0;

    for (intptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&ids[i], NULL, body, (void *)i))
            return 1;
    for (int i = 0; i < THREADS; i++) {
        void *result;

        pthread_join(ids[i], &result);
        wrong += (long)(intptr_t)result;
    }
    printf("registers that changed: %ld\n", wrong);

    signal(SIGUSR1, on_signal);
    main_thread = pthread_self();
    pthread_create(&ids[0], NULL, pester, NULL);
    wrong = 0;
    for (double end = seconds_now() + 0.3; seconds_now() < end;) {
        wrong += __builtin_cpu_supports("avx") ? keep_avx(77) : keep_sse(77);
        wrong += fegetround() != FE_TONEAREST;
    }
    done = 1;
    pthread_join(ids[0], NULL);
    printf("through signal handlers: %ld, handled %s\n", wrong,
           handled > 3 ? "several" : "too few");
    return 0;
}

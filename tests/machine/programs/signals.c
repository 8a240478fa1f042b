/* Signals inside one program: handlers, masks, an alternate stack, raise, a fault repaired by its
 * handler, a signal to one thread. The same lines must come out on Linux. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t count, last, on_alternate, handled_by_thread;
static uint8_t *page;
static char alternate[32768];

static void on_signal(int signal)
{
    char here;

    count++;
    last = signal;
    on_alternate = &here >= alternate && &here < alternate + sizeof(alternate);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *state = context;

    (void)signal;
    /* Makes the page writable and goes back to the same instruction. */
    if (info->si_addr == page && state->uc_mcontext.gregs[REG_RIP])
        mprotect(page, 4096, PROT_READ | PROT_WRITE);
    else
        _exit(9);
}

static void on_thread_signal(int signal)
{
    (void)signal;
    handled_by_thread = 1;
}

static void *wait_for_signal(void *argument)
{
    while (!handled_by_thread)
        usleep(1000);
    return argument;
}

static void divide_handler(int signal, siginfo_t *info, void *context)
{
    ucontext_t *state = context;

    (void)signal;
    printf("SIGFPE, code %d\n", info->si_code);
    state->uc_mcontext.gregs[REG_RIP] += 2; /* idiv of a register is two bytes long */
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal}, old;
    sigset_t set, pending;
    pthread_t thread;

    sigaction(SIGUSR1, &action, NULL);
    int result = raise(SIGUSR1);
    printf("raise: %d, handled %d of signal %d\n", result, (int)count, (int)last);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    sigpending(&pending);
    printf("blocked: handled %d, pending %d\n", (int)count, sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("unblocked: handled %d\n", (int)count);

    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
    sigaltstack(&stack, NULL);
    action.sa_flags = SA_ONSTACK | SA_RESETHAND;
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR2);
    sigaction(SIGUSR2, NULL, &old);
    printf("alternate stack: %d, reset: %d\n", (int)on_alternate, old.sa_handler == SIG_DFL);
    signal(SIGUSR2, SIG_IGN);
    result = raise(SIGUSR2);
    printf("ignored: %d, handled %d\n", result, (int)count);
    printf("no such signal: %d\n", sigaction(99, &action, NULL) < 0 && errno == EINVAL);
    printf("SIGKILL can not be handled: %d\n", sigaction(SIGKILL, &action, NULL) < 0);

    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &fault, NULL);
    *(volatile uint8_t *)page = 42;
    printf("a fault repaired: %d\n", *page);

    struct sigaction divide = {.sa_sigaction = divide_handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGFPE, &divide, NULL);
    int zero = 0;
    __asm__ volatile("xor %%edx, %%edx\n\tmov $1, %%eax\n\tidivl %0" : : "c"(zero) : "rax", "rdx");

    signal(SIGUSR1, on_thread_signal);
    pthread_create(&thread, NULL, wait_for_signal, NULL);
    printf("signal to a thread: %d\n", pthread_kill(thread, SIGUSR1));
    pthread_join(thread, NULL);
    printf("and it came: %d\n", (int)handled_by_thread);
    return 0;
}

/* System call sites of every shape, fresh ones, which several threads meet at once.
 *
 *   sites             results alone: the same as on Linux
 *   sites patched     and, for each shape, whether its sites have become jumps (on Atoll)
 *
 * Each shape stands in SITES copies, so that each round has one that nobody has been to. All take a
 * number to add in RBX, which must come through, and return the call's result in RAX. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SITES 12 /* of each shape */
#define THREADS 4
#define TIMES 40

/* NAME_table: for each copy its function, where its run may be entered in the middle, the SYSCALL.
 */
#define SHAPE(name, before, middle)                                                                \
    __asm__(".text\n.set copy, 0\n"                                                                \
            ".pushsection .data.rel.ro,\"aw\"\n.balign 8\n" #name "_table:\n.popsection\n"         \
            ".rept 12\n"                                                                           \
            ".pushsection .data.rel.ro,\"aw\"\n.quad 1f, 2f, 3f\n.popsection\n"                    \
            ".balign 16\n1: "                                                                      \
            "push %rbx; push %r12\nmov %rdi, %rbx\n"                                               \
            "nop; nop\n" before "\n2: " middle "\n3: syscall\n"                                    \
            "add %rbx, %rax\npop %r12; pop %rbx\nret\n"                                            \
            ".endr\n");                                                                            \
    extern const uint64_t name##_table[SITES][3] __asm__(#name "_table")

SHAPE(plain, "mov $110, %eax", "");
SHAPE(wide, "mov $110, %rax", "");
SHAPE(moves, "mov $110, %eax", "xor %edi, %edi; mov %rbx, %rsi");
SHAPE(zero, "mov %rbx, %rdx; mov $-1, %edi", "xor %eax, %eax");
SHAPE(short_zero, "mov %rbx, %rdi", "xor %eax, %eax");
SHAPE(musl, "mov %r8, %rax", "mov %rbx, %rsi");
SHAPE(go, "mov %rsi, %r10; mov %rdi, %rdx", "mov %rcx, %rsi; mov %rbx, %rdi");
SHAPE(odd, "mov %r8, %rax", "nop");

struct shape {
    const char *name;
    const uint64_t (*table)[3];
    long argument, number, result; /* RDI, R8; on Linux */
    int enter;                     /* may be entered in the middle */
};

static const struct shape shapes[] = {
    {"mov eax", plain_table, 7, 0, 0, 0},
    {"mov rax", wide_table, 7, 0, 0, 0},
    {"mov eax and more", moves_table, 7, 0, 0, 0},
    {"xor eax", zero_table, 9, 0, -9, 1},
    {"xor eax, short", short_zero_table, 1000, 0, -9, 1},
    {"mov rax, r8", musl_table, 7, SYS_getppid, 0, 0},
    {"moves alone", go_table, 7, SYS_getppid, 0, 0},
    {"another", odd_table, 7, SYS_getppid, 0, 0},
};
#define SHAPES (sizeof(shapes) / sizeof(*shapes))

static long call_at(uint64_t address, const struct shape *shape)
{
    long result = shape->number ? shape->number : 0;
    register long number __asm__("r8") = shape->number;
    register long tenth __asm__("r10") = 0;
    long argument = shape->argument, second = 0, third = 0;

    __asm__ volatile("sub $128, %%rsp; call *%[at]; add $128, %%rsp"
                     : "+a"(result), "+D"(argument), "+S"(second), "+d"(third), "+r"(number),
                       "+r"(tenth)
                     : [at] "r"(address)
                     : "rcx", "r9", "r11", "memory", "cc");
    return result;
}

static long expected(const struct shape *shape)
{
    long result = shape->number == SYS_getppid || shape->table == plain_table ||
                          shape->table == wide_table || shape->table == moves_table
                      ? getppid()
                      : shape->result; /* read from what is no descriptor: EBADF */

    return result + shape->argument;
}

/* Into the middle: the first instructions are left out, and so are done by the caller. */
static long enter_at(uint64_t address, const struct shape *shape)
{
    long result, argument = -1, second = 0, third = shape->argument;

    __asm__ volatile("sub $128, %%rsp\n"
                     "lea 1f(%%rip), %%rax\n"
                     "push %%rax; push %%rbx; push %%r12\n"
                     "mov %%rdx, %%rbx\n"
                     "jmp *%[at]\n"
                     "1: add $128, %%rsp"
                     : "=&a"(result), "+D"(argument), "+S"(second), "+d"(third)
                     : [at] "r"(address)
                     : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
    return result;
}

static pthread_barrier_t gate, end;
static _Atomic long wrong, handled, outside;
static _Atomic int done;

static void *meet(void *unused)
{
    for (size_t i = 0; i < SHAPES; i++) {
        long want = expected(&shapes[i]);

        for (int site = 0; site < SITES; site++) {
            pthread_barrier_wait(&gate);
            for (int time = 0; time < TIMES; time++) {
                if (call_at(shapes[i].table[site][0], &shapes[i]) != want)
                    wrong++;
                if (shapes[i].enter && (time & 3) == 3 &&
                    enter_at(shapes[i].table[site][1], &shapes[i]) != shapes[i].argument - 9)
                    wrong++;
            }
        }
    }
    pthread_barrier_wait(&end);
    pthread_barrier_wait(&end); /* stays as long as it is sent signals */
    return unused;
}

/* Where a signal comes, the program stands in its own code. */
static void handler(int signal, siginfo_t *info, void *context)
{
    extern const char __executable_start, etext;
    uint64_t rip = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    uint64_t start = (uint64_t)&__executable_start, end = (uint64_t)&etext;

    (void)signal;
    (void)info;
    handled++;
    if (rip - start >= end - start)
        outside++;
}

static void *disturb(void *threads)
{
    while (!done) {
        for (int i = 0; i < THREADS; i++)
            pthread_kill(((pthread_t *)threads)[i], SIGUSR1);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    pthread_t threads[THREADS], other;

    sigaction(SIGUSR1, &action, NULL);
    pthread_barrier_init(&gate, NULL, THREADS);
    pthread_barrier_init(&end, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, meet, NULL);
    pthread_create(&other, NULL, disturb, threads);
    pthread_barrier_wait(&end);
    done = 1;
    pthread_join(other, NULL);
    pthread_barrier_wait(&end);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%zu shapes, %d sites each, %d threads: %ld wrong results\n", SHAPES, SITES, THREADS,
           wrong);
    printf("signals: %s, %ld outside of the program\n", handled ? "some" : "none", outside);
    if (argc < 2 || strcmp(argv[1], "patched"))
        return wrong || outside;
    for (size_t i = 0; i < SHAPES; i++) {
        int jumps = 0;

        for (int site = 0; site < SITES; site++) {
            /* The jump stands anywhere in front of the SYSCALL. */
            const uint8_t *at = (const uint8_t *)shapes[i].table[site][2];
            int found = 0;

            for (int back = 5; back < 20; back++)
                found |= at[-back] == 0xe9;
            jumps += found;
        }
        printf("%s: %s\n", shapes[i].name, jumps == SITES ? "all" : jumps == 0 ? "none" : "some");
    }
    return wrong || outside;
}

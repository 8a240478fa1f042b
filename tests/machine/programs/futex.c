/* The futex call itself, result by result; the same lines must come out on Linux. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* From <linux/futex.h>, which musl's compiler does not find. */
enum {
    FUTEX_WAIT = 0,
    FUTEX_WAKE = 1,
    FUTEX_REQUEUE = 3,
    FUTEX_CMP_REQUEUE = 4,
    FUTEX_WAIT_BITSET = 9,
    FUTEX_WAKE_BITSET = 10,
    FUTEX_PRIVATE = 128,
    FUTEX_CLOCK_REALTIME = 256,
};

static atomic_uint word, other;
static atomic_int woken;

static long futex(atomic_uint *address, int operation, unsigned value, const void *fourth,
                  atomic_uint *second, unsigned third)
{
    return syscall(SYS_futex, address, operation, value, fourth, second, third);
}

static const char *error_name(long result)
{
    return result >= 0          ? "fine"
           : errno == EAGAIN    ? "EAGAIN"
           : errno == ETIMEDOUT ? "ETIMEDOUT"
           : errno == EINVAL    ? "EINVAL"
           : errno == EFAULT    ? "EFAULT"
           : errno == ENOSYS    ? "ENOSYS"
                                : "another error";
}

static void *wait_on_word(void *argument)
{
    unsigned bits = (unsigned)(uintptr_t)argument;

    while (atomic_load(&word) == 0) {
        if (bits)
            futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 0, NULL, NULL, bits);
        else
            futex(&word, FUTEX_WAIT | FUTEX_PRIVATE, 0, NULL, NULL, 0);
        if (bits)
            break;
    }
    atomic_fetch_add(&woken, 1);
    return NULL;
}

/* Wakes until `count` sleepers have been found: they may not have gone to sleep yet. */
static void wake_until(atomic_uint *address, int operation, unsigned count, unsigned bits)
{
    long found = 0;

    while (found < count) {
        found += futex(address, operation, count - (unsigned)found, NULL, NULL, bits);
        usleep(500);
    }
}

/* Returns once `count` threads sleep on the word: a requeue of the word onto itself moves nobody,
 * and says how many there are. */
static void wait_for_sleepers(atomic_uint *address, long count)
{
    while (futex(address, FUTEX_REQUEUE | FUTEX_PRIVATE, 0, (void *)(uintptr_t)INT32_MAX, address,
                 0) < count)
        usleep(500);
}

int main(void)
{
    pthread_t ids[4];
    struct timespec soon = {0, 5000000}, past = {1, 0}, bad = {0, 2000000000};

    atomic_store(&word, 5);
    printf("wait, another value: %s\n", error_name(futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0)));
    printf("wait, 5 ms: %s\n", error_name(futex(&word, FUTEX_WAIT, 5, &soon, NULL, 0)));
    printf("wait, bad time: %s\n", error_name(futex(&word, FUTEX_WAIT, 5, &bad, NULL, 0)));
    printf("wait until 1970: %s\n",
           error_name(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &past, NULL, ~0u)));
    printf("wait for no bits: %s\n", error_name(futex(&word, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0)));
    printf("wait, odd address: %s\n",
           error_name(futex((atomic_uint *)((char *)&word + 1), FUTEX_WAIT | FUTEX_PRIVATE, 5, NULL,
                            NULL, 0)));
    printf("wait, nowhere: %s\n",
           error_name(futex((atomic_uint *)16, FUTEX_WAIT | FUTEX_PRIVATE, 5, NULL, NULL, 0)));
    printf("wake nobody: %ld\n", futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0));
    printf("unknown operation: %s\n", error_name(futex(&word, 99, 0, NULL, NULL, 0)));

    atomic_store(&word, 0);
    for (int i = 0; i < 3; i++)
        pthread_create(&ids[i], NULL, wait_on_word, NULL);
    wait_for_sleepers(&word, 3);
    atomic_store(&word, 1);
    futex(&word, FUTEX_WAKE | FUTEX_PRIVATE, INT32_MAX, NULL, NULL, 0);
    for (int i = 0; i < 3; i++)
        pthread_join(ids[i], NULL);
    printf("woke %d\n", atomic_load(&woken));

    atomic_store(&word, 0);
    pthread_create(&ids[0], NULL, wait_on_word, (void *)(uintptr_t)2);
    pthread_create(&ids[1], NULL, wait_on_word, (void *)(uintptr_t)4);
    wait_for_sleepers(&word, 2);
    printf("wake by bits that nobody has: %ld\n",
           futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE, 9, NULL, NULL, 8));
    wake_until(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE, 1, 2);
    pthread_join(ids[0], NULL);
    wake_until(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE, 1, 4);
    pthread_join(ids[1], NULL);
    printf("woke %d\n", atomic_load(&woken));

    /* Requeue: one wakes, the others move to the second word without waking. */
    for (int i = 0; i < 4; i++)
        pthread_create(&ids[i], NULL, wait_on_word, (void *)(uintptr_t)1);
    wait_for_sleepers(&word, 4);
    printf("requeue, another value: %s\n",
           error_name(futex(&word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 1, (void *)100, &other, 7)));
    printf("requeue: %ld\n",
           futex(&word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 1, (void *)100, &other, 0));
    printf("left behind: %ld\n", futex(&word, FUTEX_WAKE | FUTEX_PRIVATE, 9, NULL, NULL, 0));
    printf("moved: %ld\n", futex(&other, FUTEX_WAKE | FUTEX_PRIVATE, 9, NULL, NULL, 0));
    for (int i = 0; i < 4; i++)
        pthread_join(ids[i], NULL);
    printf("woke %d\n", atomic_load(&woken));
    return 0;
}

/* Primes by Eratosthenes' sieve: counts those below each power of ten and shows the last one.
 *
 *   primes [LIMIT]        default: 1000000 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    uint64_t limit = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;

    if (limit < 10 || limit > UINT64_C(10000000000)) {
        fprintf(stderr, "usage: primes [LIMIT], 10 to 10000000000\n");
        return 2;
    }
    /* One byte for each odd number: index i stands for 2 i + 1. */
    uint64_t odds = limit / 2;
    uint8_t *composite = calloc(odds, 1);

    if (!composite) {
        fprintf(stderr, "primes: no memory for a sieve of %llu bytes\n", (unsigned long long)odds);
        return 1;
    }
    for (uint64_t i = 1; (2 * i + 1) * (2 * i + 1) < limit; i++) {
        if (composite[i])
            continue;
        for (uint64_t k = 2 * i * (i + 1); k < odds; k += 2 * i + 1)
            composite[k] = 1;
    }
    uint64_t count = 1, last = 2, power = 10; /* 2 is the even one */

    for (uint64_t i = 1; i < odds; i++) {
        while (2 * i + 1 > power) {
            printf("%8llu primes below %llu, the last is %llu\n", (unsigned long long)count,
                   (unsigned long long)power, (unsigned long long)last);
            power *= 10;
        }
        if (!composite[i]) {
            count++;
            last = 2 * i + 1;
        }
    }
    printf("%8llu primes below %llu, the last is %llu\n", (unsigned long long)count,
           (unsigned long long)limit, (unsigned long long)last);
    free(composite);
    return 0;
}

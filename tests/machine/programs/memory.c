/* Takes memory until there is no more.
 *   memory malloc    malloc of blocks, each touched, until it says no; then gives back and goes on
 *   memory map       mmap of blocks, likewise
 *   memory touch     maps far more than there is (as Linux allows) and touches it: death or refusal
 *   memory leakless  maps, touches and unmaps many times what there is */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCK ((size_t)1 << 20)

static void *take(int mapped)
{
    if (!mapped)
        return malloc(BLOCK);
    void *block = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? NULL : block;
}

static void give_back(int mapped, void *block)
{
    if (mapped)
        munmap(block, BLOCK);
    else
        free(block);
}

static int take_all(int mapped)
{
    struct block {
        struct block *next;
    } *all = NULL, *block;
    size_t count = 0;

    for (;;) {
        errno = 0;
        block = take(mapped);
        if (!block)
            break;
        memset(block, 0x5a, BLOCK);
        block->next = all;
        all = block;
        count++;
        if (count == 1 << 20) {
            puts("more than a TiB: this cannot be");
            return 1;
        }
    }
    /* The count first into a buffer on the stack: printf must not need memory now. */
    printf("refused with %s\n", errno == ENOMEM ? "ENOMEM" : "something else");
    fprintf(stderr, "took %zu MiB\n", count);
    while (all) {
        block = all->next;
        give_back(mapped, all);
        all = block;
    }
    /* What was given back is there again. */
    for (size_t i = 0; i < count / 2; i++) {
        block = take(mapped);
        if (!block) {
            printf("only %zu of %zu blocks came back\n", i, count / 2);
            return 1;
        }
        memset(block, 0x33, BLOCK);
        block->next = all;
        all = block;
    }
    puts("and it came back");
    return count ? 0 : 1;
}

static int touch_too_much(void)
{
    size_t size = (size_t)8 << 30;
    volatile uint8_t *all = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (all == MAP_FAILED) {
        puts(errno == ENOMEM ? "refused with ENOMEM" : "refused with something else");
        return 0;
    }
    for (size_t at = 0; at < size; at += 4096)
        all[at] = 1;
    puts("8 GiB touched: this cannot be");
    return 1;
}

static int many_times(void)
{
    for (int round = 0; round < 400; round++) {
        uint8_t *block = take(1);

        if (!block) {
            printf("round %d: no memory\n", round);
            return 1;
        }
        for (size_t at = 0; at < BLOCK; at += 4096) {
            if (block[at]) {
                printf("round %d: fresh memory is not zero\n", round);
                return 1;
            }
            block[at] = 0xff;
        }
        give_back(1, block);
    }
    puts("400 MiB in turn");
    return 0;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "malloc";

    if (!strcmp(way, "touch"))
        return touch_too_much();
    if (!strcmp(way, "leakless"))
        return many_times();
    return take_all(!strcmp(way, "map"));
}

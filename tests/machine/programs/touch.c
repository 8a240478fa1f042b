/* Writes to each page of so many MiB of fresh memory, in the order of their addresses, and reads
 * them again:
 *
 *   touch MIB [small]     small: in pages of 4 KiB (MADV_NOHUGEPAGE) */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096

int main(int argc, char **argv)
{
    size_t pages = (argc > 1 ? strtoul(argv[1], NULL, 10) : 1) << 8;
    uint32_t *memory =
        mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    if (argc > 2 && !strcmp(argv[2], "small"))
        madvise(memory, pages * PAGE, MADV_NOHUGEPAGE);
    for (size_t page = 0; page < pages; page++) {
        for (size_t i = 0; i < PAGE / sizeof(*memory); i++)
            if (memory[page * PAGE / sizeof(*memory) + i] != 0) {
                printf("page %zu does not begin as zeros\n", page);
                return 1;
            }
        memory[page * PAGE / sizeof(*memory) + page % 1024] = (uint32_t)page + 1;
    }
    for (size_t page = 0; page < pages; page++)
        if (memory[page * PAGE / sizeof(*memory) + page % 1024] != page + 1) {
            printf("page %zu has lost what was written\n", page);
            return 1;
        }
    printf("touched %zu pages\n", pages);
    return 0;
}

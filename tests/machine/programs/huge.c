/* Larger than a small partition: 64 MiB that it asks for in its ELF file. */
#include <stdio.h>

static volatile char room[64 << 20];

int main(int argc, char **argv)
{
    (void)argv;
    room[argc] = 1;
    printf("%d\n", room[argc]);
    return 0;
}

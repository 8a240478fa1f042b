/* A kernel that hangs: the core takes no interrupts and goes nowhere.
 *
 *   hang masked    interrupts off in RFLAGS (ring 0: on pc)
 *   hang word      interrupts off in the core's own word (on hosted)
 *   hang busy      computes for 14 seconds without a system call: nothing is wrong with that */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";

    printf("here\n");
    fflush(stdout);
    if (!strcmp(how, "masked"))
        __asm__ volatile("cli; 1: pause; jmp 1b");
    if (!strcmp(how, "word"))
        __asm__ volatile("movl $1, %gs:32; 1: pause; jmp 1b");
    time_t end = time(NULL) + 14; /* the vDSO's */
    while (time(NULL) < end) {
    }
    printf("done\n");
    return 0;
}

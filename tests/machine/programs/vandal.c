/* Destroys its own kernel's idea of the current thread, which ring 0 does not keep it from
 * (platform pc), and makes a system call: the kernel panics. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    puts("breaking the kernel");
    fflush(stdout);
    __asm__ volatile("movq $0x10, %%gs:24" ::: "memory"); /* struct core's `current` */
    for (;;)
        getppid();
}

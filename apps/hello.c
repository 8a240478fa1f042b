/* The smallest program worth starting: says where it is and ends. An ordinary Linux program. */
#include <sched.h>
#include <stdio.h>
#include <sys/utsname.h>

int main(int argc, char **argv)
{
    struct utsname system;

    printf("Hello, %s!\n", argc > 1 ? argv[1] : "world");
    if (uname(&system) == 0) {
        printf("I am an ordinary Linux program on %s %s, core %d.\n", system.sysname,
               system.release, sched_getcpu());
    }
    return 0;
}

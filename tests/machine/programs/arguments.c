/* Prints all that a program is given at its start: arguments, environment, and of the auxiliary
 * vector what must be the same on every system. */
#include <stdio.h>
#include <sys/auxv.h>

extern char **environ;

int main(int argc, char **argv)
{
    printf("argc %d\n", argc);
    for (int i = 0; i < argc; i++)
        printf("argv[%d] <%s>\n", i, argv[i]);
    printf("argv[argc] %s\n", argv[argc] ? "set" : "NULL");
    for (char **entry = environ; *entry; entry++)
        printf("env <%s>\n", *entry);
    printf("page size %lu, clock ticks %lu\n", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK));
    printf("program headers %s, %lu bytes each\n", getauxval(AT_PHDR) ? "yes" : "no",
           getauxval(AT_PHENT));
    printf("random bytes %s, entry %s, secure %lu\n", getauxval(AT_RANDOM) ? "yes" : "no",
           getauxval(AT_ENTRY) ? "yes" : "no", getauxval(AT_SECURE));
    return 0;
}

/* How an instance ends; shared by kernel.c's callers of last resort. */
#ifndef INSTANCE_END_H
#define INSTANCE_END_H

#include <stdnoreturn.h>

/* The program could not be started (a negative errno value, the reason logged): as a shell says it,
 * the instance exits with status 126. */
noreturn void kernel_refuse(int error);

#endif

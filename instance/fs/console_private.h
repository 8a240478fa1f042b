/* What the files of the console share: console.c (output), console_input.c, console_file.c. */
#ifndef INSTANCE_FS_CONSOLE_PRIVATE_H
#define INSTANCE_FS_CONSOLE_PRIVATE_H

#include "instance/fs/console.h"

#include <stdbool.h>

void console_input_init(void);

/* Can a read of standard input return at once? Asks the proxy for bytes if not, so that the answer
 * changes when they come. */
bool console_input_ready(void);

#endif

/* What --gdb and --debug need of QEMU. */
#ifndef PROXY_QEMU_DEBUG_H
#define PROXY_QEMU_DEBUG_H

#include "proxy/platform.h"

/* Makes an empty file for QEMU's -D in the folder for temporary files. Returns its path (to free)
 * or NULL with errno. It stays: it is what the user asked for. */
char *qemu_debug_file(void);

/* A socket that listens on a free port of the loopback address. Returns it or -1 with errno. */
int qemu_debug_listen(unsigned *port);

/* Tells on host->note how to attach gdb, with the symbols of the kernel and all programs. */
void qemu_debug_explain(const struct platform_host *host, unsigned port);

#endif

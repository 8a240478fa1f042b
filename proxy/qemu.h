/* Platform `pc` on QEMU: one QEMU process is the machine. */
#ifndef PROXY_QEMU_H
#define PROXY_QEMU_H

#include "proxy/platform.h"

/* A platform for host->machine with host->options. Nothing is started yet. NULL when memory has run
 * out. */
struct platform *qemu_platform(const struct platform_host *host);

#endif

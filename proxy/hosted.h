/* The `hosted` platform: each instance a sandboxed process of its own on this host. */
#ifndef PROXY_HOSTED_H
#define PROXY_HOSTED_H

#include "proxy/platform.h"

/* For machine_run_on. NULL: out of memory. */
struct platform *hosted_platform(const struct platform_host *host);

#endif

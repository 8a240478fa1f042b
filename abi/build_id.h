/* The version of Atoll, and the identity that the proxy, the boot loader and the kernel must agree
 * on before one trusts what another has written. Derived from the version and from the versions of
 * every layout that they share, so that parts of different builds refuse each other. */
#ifndef ABI_BUILD_ID_H
#define ABI_BUILD_ID_H

#include "abi/handover.h"
#include "abi/machine.h"
#include "shm/lagoon.h"

#define ATOLL_VERSION_MAJOR 0
#define ATOLL_VERSION_MINOR 1
#define ATOLL_VERSION_PATCH 0
#define ATOLL_VERSION "0.1.0"

/* Initialiser for uint8_t build_id[20]. */
#define ATOLL_BUILD_ID_BYTES                                                                       \
    {                                                                                              \
        'a', 't', 'o', 'l', 'l', 0, ATOLL_VERSION_MAJOR, ATOLL_VERSION_MINOR, ATOLL_VERSION_PATCH, \
            SHM_LAYOUT_VERSION, MACHINE_VERSION, HANDOVER_VERSION, sizeof(struct shm_header) / 16, \
            sizeof(struct shm_section) / 16 % 256, sizeof(struct machine_instance) / 16,           \
            sizeof(struct handover) / 8, 0, 0, 0, 0                                                \
    }
#define ATOLL_BUILD_ID_SIZE 20

#endif

/* The control messages that the proxy and the instances' kernels send each other, beside the I/O of
 * abi/io.h. Every payload is copied out of the ring and checked before use. Numbers never change
 * their meaning; a receiver logs and drops a kind that it does not know. */
#ifndef IPI_MSG_CONTROL_H
#define IPI_MSG_CONTROL_H

#include <stdint.h>

enum control_kind {
    CONTROL_STOP = 1,  /* proxy -> instance: deliver a signal to the program; struct control_stop */
    CONTROL_END = 2,   /* proxy -> instance: end now, as SIGKILL would; no payload */
    CONTROL_STATE = 3, /* instance -> proxy: my section's state has changed, look; no payload */
};
#define CONTROL_KIND_IO_FIRST 64 /* kinds from here on belong to abi/io.h */

struct control_stop {
    uint32_t signal; /* Linux signal number, 1..64 */
    uint32_t reserved;
};
_Static_assert(sizeof(struct control_stop) == 8, "layout of control_stop");

#endif

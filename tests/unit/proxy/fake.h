/* A machine for tests: a process that is an ivshmem client over a socket pair, as QEMU is, maps the
 * lagoon from there, and plays the boot loader and the instances by the real shm/ and ipi-msg/
 * code. And runners: machine_run_on in a process of its own, with its files in the test's hands. */
#ifndef TESTS_UNIT_PROXY_FAKE_H
#define TESTS_UNIT_PROXY_FAKE_H

#include "abi/io.h"
#include "ipi-msg/endpoint.h"
#include "proxy/config.h"

#include <sys/types.h>

#define FAKE_INSTANCES_MAX 8

struct fake_instance {
    uint32_t peer;
    struct shm_view view;
    struct shm_section *section;
    struct shm_heap *heap;
    struct ipi_link *links;
    struct ipi_endpoint endpoint;
    uint64_t last_tag;
};

struct fake_machine {
    uint8_t *base;
    uint64_t size;
    uint32_t peers, instances;
    int proxy_doorbell; /* eventfd: rings the proxy */
    int *vectors;       /* eventfds: [k] is instance k's, [0] the boot loader's */
    uint32_t vector_count;
    struct shm_view view; /* the boot loader's */
    struct shm_boot *boot;
    struct fake_instance instance[FAKE_INSTANCES_MAX]; /* [k - 1] is number k */
};

/* What the machine does, in the process that stands for it. */
typedef void (*fake_script_t)(struct fake_machine *machine);

/* The boot loader's part: its section, the clock question and its answer, "launched". */
void fake_boot(struct fake_machine *machine);

/* Instance `number` (from 1) makes its section and says that its program runs. */
struct fake_instance *fake_start(struct fake_machine *machine, uint32_t number);

/* Sends, waiting for credits. The process dies when the proxy takes nothing for 10 s. */
void fake_send(struct fake_machine *machine, struct fake_instance *instance, uint16_t kind,
               const void *head, size_t head_length, const void *bytes, size_t length);

/* Waits for a message (10 s at most). Returns its kind; *length is in: room, out: bytes. */
uint16_t fake_receive(struct fake_machine *machine, struct fake_instance *instance, void *message,
                      size_t *length);

/* Writes without and with bulk memory. The second waits for the answer and returns its result. */
void fake_write(struct fake_machine *machine, struct fake_instance *instance, int fd,
                const void *bytes, size_t length);
int64_t fake_write_bulk(struct fake_machine *machine, struct fake_instance *instance, int fd,
                        const void *bytes, size_t length);

/* The instance's end. */
void fake_exit(struct fake_machine *machine, struct fake_instance *instance, enum shm_state state,
               uint32_t status);

void fake_ring_proxy(struct fake_machine *machine);
void fake_sleep_for_ever(void); /* until it is killed */

/* --- The test's side ---------------------------------------------------------------------------
 */

/* A machine of `count` instances named one, two, three... of one core each. Lives until the process
 * ends; files are removed by fake_clean. */
struct fake_setup {
    struct machine_config machine;
    struct run_options options;
    struct instance_config instances[FAKE_INSTANCES_MAX];
    char folder[64], kernel[96], program[96];
};
void fake_setup(struct fake_setup *setup, size_t count);
void fake_clean(struct fake_setup *setup);

struct fake_run {
    pid_t pid;
    int in, out, err; /* our ends; -1 once closed */
};

/* Starts machine_run_on with `script` as the machine. `in` says whether standard input is a pipe
 * (else /dev/null). */
void fake_run_start(struct fake_run *run, const struct fake_setup *setup, fake_script_t script,
                    bool in);

struct fake_result {
    int status; /* of machine_run_on; 99: memory or a descriptor was leaked; 128 + n: signal n */
    char *out, *err;
    size_t out_length, err_length;
};

/* Reads both streams to their ends (20 s at most) and waits. */
void fake_run_finish(struct fake_run *run, struct fake_result *result);
void fake_result_free(struct fake_result *result);

/* Both together. */
void fake_run(struct fake_result *result, const struct fake_setup *setup, fake_script_t script);

/* Reads from `fd` until `text` has come (10 s at most); fails the test otherwise. */
void fake_expect(int fd, const char *text);

#endif

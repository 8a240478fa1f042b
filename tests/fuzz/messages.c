/* libFuzzer's entry point for messages: a sender's section of which the input changes any word of
 * ring, record and section head, between and during the receives of libatoll.a. */
#include "tests/unit/atoll/fake.h"

#include <criterion/criterion.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* One step of the input: what to do, and a word to store somewhere. */
struct step {
    uint8_t action, place;
    uint16_t at;
    uint32_t reserved;
    uint64_t value;
};

static void store(const struct pair *pair, const struct step *step)
{
    const struct shm_ring_writer *writer = &pair->sender->writer;
    uint8_t *base = fake_section(FAKE_SENDER);
    uint64_t words = sizeof(struct shm_section) / 8;
    if (step->place % 3 == 1) {
        base = (uint8_t *)pair->sender->own;
        words = (sizeof(struct shm_channel) - SHM_LINE) / 8;
    } else if (step->place % 3 == 2) {
        base = (uint8_t *)writer->cells;
        words = (writer->mask + 1) * sizeof(struct shm_cell) / 8;
    }
    ((volatile uint64_t *)base)[step->at % words] = step->value;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t buffer[4096];
    struct step step;
    const void *data;
    fake_start(64 << 10);
    struct pair pair = fake_open(16);
    for (; size >= sizeof(step); bytes += sizeof(step), size -= sizeof(step)) {
        ssize_t result = 0;
        memcpy(&step, bytes, sizeof(step));
        if (step.action & 1 && pair.sender->error == 0)
            atoll_send(pair.sender, buffer, step.at % 2000, 0);
        if (step.action & 2)
            store(&pair, &step);
        if (step.action & 4) {
            result = atoll_receive(pair.reader, buffer, sizeof(buffer), 0);
        } else if ((result = atoll_peek(pair.reader, &data, 0)) >= 0) {
            for (ssize_t i = 0; i < result; i += 64)
                buffer[0] ^= ((const uint8_t *)data)[i];
            if (step.action & 8)
                store(&pair, &step);
            atoll_release(pair.reader);
        }
        cr_assert(result >= 0 || result == -EAGAIN || result == -EPIPE || result == -EPROTO ||
                  result == -EMSGSIZE);
    }
    fake_close(&pair);
    fake_end();
    return 0;
}

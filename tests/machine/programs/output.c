/* Writes a given number of bytes to standard output, the same for the same seed: lines from none to
 * a few thousand bytes long, through buffered, plain and gathered writes of changing sizes. The end
 * is a line's end.
 *   output BYTES SEED */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static uint64_t state;

static uint64_t random_next(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

static void write_all(const char *data, size_t size)
{
    while (size > 0) {
        /* Two pieces for every other call. */
        size_t first = random_next() % 2 ? size : size / 3;
        struct iovec pieces[2] = {{(void *)data, first}, {(void *)(data + first), size - first}};
        ssize_t written = first == size ? write(1, data, size) : writev(1, pieces, 2);

        if (written <= 0) {
            perror("output: write");
            exit(1);
        }
        data += written;
        size -= (size_t)written;
    }
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
    char *data = malloc(size + 1), *end = data + size, *at = data;

    state = UINT64_C(88172645463325252) + (argc > 2 ? strtoull(argv[2], NULL, 10) : 0);
    if (!data) {
        perror("output");
        return 1;
    }
    while (at < end) {
        uint64_t shape = random_next() % 1000;
        size_t length = shape < 900 ? random_next() % 100 : random_next() % 6000;

        if (length >= (size_t)(end - at))
            length = (size_t)(end - at) - 1;
        for (size_t i = 0; i < length; i++, at++)
            *at = (char)(' ' + (i * 7 + shape) % 95);
        *at++ = '\n';
    }
    for (at = data; at < end;) {
        uint64_t kind = random_next() % 16;
        size_t chunk = 1 + random_next() % (kind == 0 ? 300000 : 9000);

        if (chunk > (size_t)(end - at))
            chunk = (size_t)(end - at);
        if (kind < 4) {
            fwrite(at, 1, chunk, stdout);
            fflush(stdout);
        } else {
            write_all(at, chunk);
        }
        at += chunk;
    }
    return 0;
}

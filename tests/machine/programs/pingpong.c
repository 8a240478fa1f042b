/* Two peers that pass messages to and fro: pingpong ROUNDS [BYTES]. Peer 1 begins. */
#include <atoll.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void must(long result, const char *what)
{
    if (result < 0) {
        printf("%s: %s\n", what, strerror((int)-result));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? atol(argv[1]) : 1000, bytes = argc > 2 ? atol(argv[2]) : 8;
    unsigned char *out = malloc((size_t)bytes), *in = malloc((size_t)bytes);
    struct atoll_port *port;
    struct atoll_channel *to, *from;
    struct timespec start, end;

    if (atoll_init() == -ENOSYS) {
        printf("not on Atoll\n");
        return 0;
    }
    int self = atoll_self();
    must(atoll_port_publish("pingpong", &port), "publish");
    must(atoll_channel_open(self == 1 ? 2 : 1, "pingpong", NULL, ATOLL_FOREVER, &to), "open");
    must(atoll_port_accept(port, &from, ATOLL_FOREVER), "accept");
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < rounds; i++) {
        memset(out, (int)i, (size_t)bytes);
        if (self == 1)
            must(atoll_send(to, out, (size_t)bytes, ATOLL_FOREVER), "send");
        long length = atoll_receive(from, in, (size_t)bytes, ATOLL_FOREVER);
        must(length, "receive");
        if (length != bytes || memcmp(in, out, (size_t)bytes) != 0) {
            printf("round %ld: not what was sent\n", i);
            return 1;
        }
        if (self != 1)
            must(atoll_send(to, in, (size_t)bytes, ATOLL_FOREVER), "send");
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ns = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
    struct atoll_statistics statistics;
    atoll_channel_statistics(from, &statistics);
    printf("%ld rounds of %ld bytes\n", rounds, bytes);
    fprintf(stderr, "%.0f ns one way, %lu sleeps\n", ns / (double)rounds / 2,
            (unsigned long)statistics.sleeps);
    return 0;
}

/* Copies into the section, where another core will read. Which way is best depends on where the two
 * cores lie, which on a virtual machine changes from minute to minute: inside one cache complex
 * plain stores are, between two of them each line that the reader still holds must come back first,
 * and stores past the caches are many times faster. So both are timed, and the other one is tried
 * again now and then. */
#include "abi/atoll/library.h"

#include <emmintrin.h>
#include <string.h>

#define COPY_TIMED 4096 /* bytes, from which on it matters */
#define COPY_LONG                                                                                  \
    (16 * 1024) /* up to here what is past the caches is late for the reader: it must              \
                   save the writer a lot */
#define COPY_SHORT_GAIN 4
#define COPY_AGAIN 64 /* copies after which the other way is tried */

/* As memcpy, past the caches; what was stored is visible to others before any later store. */
static void copy_past_caches(uint8_t *to, const uint8_t *from, size_t length)
{
    size_t first = -(uintptr_t)to & 15;
    memcpy(to, from, first);
    size_t at = first;
    for (; at + 64 <= length; at += 64) {
        const __m128i *source = (const __m128i *)(from + at);
        __m128i *target = (__m128i *)(to + at);
        __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1);
        __m128i c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
        _mm_stream_si128(target, a);
        _mm_stream_si128(target + 1, b);
        _mm_stream_si128(target + 2, c);
        _mm_stream_si128(target + 3, d);
    }
    memcpy(to + at, from + at, length - at);
    _mm_sfence();
}

void copy_in(struct copy_ways *ways, uint8_t *to, const uint8_t *from, size_t length)
{
    if (length < COPY_TIMED) {
        if (length != 0)
            memcpy(to, from, length);
        return;
    }
    bool past = ways->cost[1] * (length < COPY_LONG ? COPY_SHORT_GAIN : 1) < ways->cost[0];
    if (ways->cost[0] == 0 || ways->cost[1] == 0)
        past = ways->cost[0] != 0;
    else if (++ways->count % COPY_AGAIN == 0)
        past = !past;
    uint64_t start = library_ticks();
    if (past)
        copy_past_caches(to, from, length);
    else
        memcpy(to, from, length);
    uint64_t cost = (library_ticks() - start) * COPY_TIMED / length + 1, old = ways->cost[past];
    /* An interrupt in between says nothing about the copy. */
    if (old != 0 && cost > 2 * old)
        cost = 2 * old;
    ways->cost[past] = old == 0 ? cost : (3 * old + cost) / 4 + 1;
}

/* Matching against a model: two plain lists, searched from their beginnings. */
#include "abi/mpi/match.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define EACH 4000 /* of receives, and of messages */
#define STEPS 20000

static uint64_t state = 88172645463325252;

static uint32_t below(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20) % limit;
}

static struct matcher matcher;
static struct posted receives[EACH];
static struct waiting messages[EACH];
/* The model: indices in order of arrival; -1: taken. */
static int posted_order[STEPS], waiting_order[STEPS];
static int posted_count, waiting_count;
static bool receive_used[EACH], message_used[EACH];

static bool meets(const struct match_key *receive, const struct match_key *message)
{
    return receive->context == message->context &&
           (receive->source == MATCH_ANY_SOURCE || receive->source == message->source) &&
           (receive->tag == MATCH_ANY_TAG || receive->tag == message->tag);
}

static int model_posted(const struct match_key *key)
{
    for (int i = 0; i < posted_count; i++)
        if (posted_order[i] >= 0 && meets(&receives[posted_order[i]].key, key))
            return i;
    return -1;
}

static int model_waiting(const struct match_key *key)
{
    for (int i = 0; i < waiting_count; i++)
        if (waiting_order[i] >= 0 && meets(key, &messages[waiting_order[i]].key))
            return i;
    return -1;
}

static int unused(const bool used[EACH])
{
    for (int i = 0; i < EACH; i++)
        if (!used[i])
            return i;
    return -1;
}

static void message_comes(const struct match_key *key)
{
    int expected = model_posted(key);
    struct posted *found = match_message(&matcher, key);
    if (expected >= 0) {
        int index = posted_order[expected];
        cr_assert_eq(found, &receives[index], "the oldest receive that it meets");
        posted_order[expected] = -1;
        receive_used[index] = false;
        return;
    }
    cr_assert_null(found);
    int index = unused(message_used);
    if (index < 0)
        return;
    messages[index].key = *key;
    message_used[index] = true;
    match_hold(&matcher, &messages[index]);
    waiting_order[waiting_count++] = index;
}

static void receive_comes(const struct match_key *key)
{
    int expected = model_waiting(key);
    struct waiting *found = match_receive(&matcher, key);
    if (expected >= 0) {
        int index = waiting_order[expected];
        cr_assert_eq(found, &messages[index], "the oldest message that it meets");
        match_unhold(&matcher, found);
        waiting_order[expected] = -1;
        message_used[index] = false;
        return;
    }
    cr_assert_null(found);
    int index = unused(receive_used);
    if (index < 0)
        return;
    receives[index].key = *key;
    receive_used[index] = true;
    match_post(&matcher, &receives[index]);
    posted_order[posted_count++] = index;
}

static void cancel_one(void)
{
    int at = posted_count > 0 ? (int)below((uint32_t)posted_count) : 0;
    if (posted_count == 0 || posted_order[at] < 0)
        return;
    match_unpost(&matcher, &receives[posted_order[at]]);
    receive_used[posted_order[at]] = false;
    posted_order[at] = -1;
}

static void run(uint32_t contexts, uint32_t sources, uint32_t tags, uint32_t wildcards)
{
    for (int step = 0; step < STEPS; step++) {
        struct match_key key = {below(contexts), (int)below(sources), (int)below(tags)};
        if (below(100) == 0) {
            cancel_one();
        } else if (below(2)) {
            message_comes(&key);
        } else {
            if (below(100) < wildcards)
                key.source = MATCH_ANY_SOURCE;
            if (below(100) < wildcards)
                key.tag = MATCH_ANY_TAG;
            receive_comes(&key);
        }
    }
}

Test(match, few_keys_many_wildcards, .timeout = 60)
{
    run(2, 3, 3, 40);
}

Test(match, many_keys, .timeout = 60)
{
    run(3, 16, 200, 10);
}

Test(match, no_wildcards, .timeout = 60)
{
    run(1, 4, 50, 0);
}

Test(match, wildcards_alone, .timeout = 60)
{
    run(2, 4, 4, 100);
}

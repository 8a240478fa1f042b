#include "abi/mpi/match.h"

#include <stddef.h>

static enum match_class class_of(const struct match_key *key)
{
    return (key->tag == MATCH_ANY_TAG ? MATCH_TAG_ANY : MATCH_EXACT) |
           (key->source == MATCH_ANY_SOURCE ? MATCH_SOURCE_ANY : MATCH_EXACT);
}

/* The key as the class sees it. */
static struct match_key key_in(const struct match_key *key, unsigned class)
{
    return (struct match_key){key->context,
                              class & MATCH_SOURCE_ANY ? MATCH_ANY_SOURCE : key->source,
                              class & MATCH_TAG_ANY ? MATCH_ANY_TAG : key->tag};
}

static bool key_equal(const struct match_key *one, const struct match_key *other)
{
    return one->tag == other->tag && one->source == other->source && one->context == other->context;
}

static unsigned hash(const struct match_key *key)
{
    uint64_t mixed = ((uint64_t)key->context << 32 | (uint32_t)key->tag) +
                     (uint64_t)(uint32_t)key->source * UINT64_C(0x9e3779b97f4a7c15);
    mixed *= UINT64_C(0xbf58476d1ce4e5b9);
    return (unsigned)(mixed >> 40) % MATCH_BINS;
}

static void bin_append(struct match_bin *bin, struct match_link *link)
{
    link->next = NULL;
    link->previous = bin->last;
    if (bin->last != NULL)
        bin->last->next = link;
    else
        bin->first = link;
    bin->last = link;
}

static void bin_remove(struct match_bin *bin, struct match_link *link)
{
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        bin->first = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
    else
        bin->last = link->previous;
}

void match_post(struct matcher *matcher, struct posted *receive)
{
    unsigned class = class_of(&receive->key);
    receive->stamp = matcher->stamp++;
    bin_append(&matcher->posted_bins[class][hash(&receive->key)], &receive->link);
    matcher->posted[class]++;
    matcher->all++;
}

void match_unpost(struct matcher *matcher, struct posted *receive)
{
    unsigned class = class_of(&receive->key);
    bin_remove(&matcher->posted_bins[class][hash(&receive->key)], &receive->link);
    matcher->posted[class]--;
    matcher->all--;
}

static struct posted *first_posted(const struct match_bin *bin, const struct match_key *key)
{
    for (struct match_link *link = bin->first; link != NULL; link = link->next) {
        struct posted *receive = (struct posted *)link;
        if (key_equal(&receive->key, key))
            return receive;
    }
    return NULL;
}

struct posted *match_message(struct matcher *matcher, const struct match_key *key)
{
    struct posted *oldest = NULL;
    if ((matcher->posted[MATCH_TAG_ANY] | matcher->posted[MATCH_SOURCE_ANY] |
         matcher->posted[MATCH_ALL]) == 0) {
        if (matcher->posted[MATCH_EXACT] == 0)
            return NULL;
        struct match_bin *bin = &matcher->posted_bins[MATCH_EXACT][hash(key)];
        oldest = first_posted(bin, key);
        if (oldest != NULL) {
            bin_remove(bin, &oldest->link);
            matcher->posted[MATCH_EXACT]--;
            matcher->all--;
        }
        return oldest;
    }
    for (unsigned class = 0; class < MATCH_CLASSES; class ++) {
        if (matcher->posted[class] == 0)
            continue;
        struct match_key wanted = key_in(key, class);
        struct posted *receive = first_posted(&matcher->posted_bins[class][hash(&wanted)], &wanted);
        if (receive != NULL && (oldest == NULL || receive->stamp < oldest->stamp))
            oldest = receive;
    }
    if (oldest != NULL)
        match_unpost(matcher, oldest);
    return oldest;
}

void match_hold(struct matcher *matcher, struct waiting *message)
{
    for (unsigned class = 0; class < MATCH_CLASSES; class ++) {
        struct match_key key = key_in(&message->key, class);
        bin_append(&matcher->waiting_bins[class][hash(&key)], &message->links[class]);
    }
    message->queued = true;
    matcher->waiting++;
    matcher->all++;
}

void match_unhold(struct matcher *matcher, struct waiting *message)
{
    for (unsigned class = 0; class < MATCH_CLASSES; class ++) {
        struct match_key key = key_in(&message->key, class);
        bin_remove(&matcher->waiting_bins[class][hash(&key)], &message->links[class]);
    }
    message->queued = false;
    matcher->waiting--;
    matcher->all--;
}

struct waiting *match_receive(const struct matcher *matcher, const struct match_key *key)
{
    if (matcher->waiting == 0)
        return NULL;
    unsigned class = class_of(key);
    const struct match_bin *bin = &matcher->waiting_bins[class][hash(key)];
    for (struct match_link *link = bin->first; link != NULL; link = link->next) {
        struct waiting *message = (struct waiting *)(link - class);
        struct match_key seen = key_in(&message->key, class);
        if (key_equal(&seen, key))
            return message;
    }
    return NULL;
}

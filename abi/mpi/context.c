/* Which context ids this rank has given out: one bit for each. */
#include "abi/mpi/comm.h"

#define NUMBERS_COUNT 32768u
#define NUMBERS_FIRST 2u /* MPI_COMM_WORLD's (rank 0's) and MPI_COMM_SELF's are always there */

static uint64_t used[NUMBERS_COUNT / 64];
static uint32_t next = NUMBERS_FIRST;

uint32_t context_new(void)
{
    /* Round and round: one that was given back is not used again soon. */
    for (uint32_t tries = 0; tries < NUMBERS_COUNT; tries++) {
        uint32_t number = next;
        next = next + 1 < NUMBERS_COUNT ? next + 1 : NUMBERS_FIRST;
        if ((used[number / 64] >> number % 64 & 1) != 0)
            continue;
        used[number / 64] |= UINT64_C(1) << number % 64;
        return transport.rank << 16 | number << 1;
    }
    mpi_die(MPI_ERR_OTHER, "%u communicators that this rank leads are in use; no more can be made",
            NUMBERS_COUNT - NUMBERS_FIRST);
}

void context_release(uint32_t context)
{
    uint32_t number = (context & 0xffff) >> 1;
    if (context >> 16 == transport.rank && number >= NUMBERS_FIRST)
        used[number / 64] &= ~(UINT64_C(1) << number % 64);
}

static void give_out(void *argument)
{
    *(uint32_t *)argument = context_new();
}

void context_build(struct schedule *schedule, const struct group *group, const struct group *other,
                   uint32_t *context)
{
    struct datatype_stream stream =
        datatype_stream(context, sizeof(*context), datatype_of(MPI_BYTE));
    int leader = group->members[0], self = (int)transport.rank;
    if (self != leader) {
        schedule_receive_from(schedule, stream, leader);
        schedule_wait(schedule);
        return;
    }
    schedule_call(schedule, give_out, context);
    for (int i = 1; i < group->size; i++)
        schedule_send_to(schedule, stream, group->members[i]);
    for (int i = 0; other != NULL && i < other->size; i++)
        schedule_send_to(schedule, stream, other->members[i]);
    schedule_wait(schedule);
}

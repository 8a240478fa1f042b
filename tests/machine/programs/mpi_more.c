/* MPI's newer parts, checking themselves: `mpi_more WHAT`, with any number of ranks. The last line
 * of rank 0 is "WHAT: fine" when all ranks have found everything as it must be. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, size;

#define CHECK(Condition, ...)                                                                      \
    do {                                                                                           \
        if (!(Condition)) {                                                                        \
            fprintf(stderr, "rank %d, line %d: ", rank, __LINE__);                                 \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            MPI_Abort(MPI_COMM_WORLD, 3);                                                          \
        }                                                                                          \
    } while (0)

/* --- Sessions: MPI_Init is never called ----------------------------------------------------------
 */

static MPI_Comm session_comm(MPI_Session session, const char *set, const char *tag)
{
    MPI_Group group;
    MPI_Comm comm;
    MPI_Group_from_session_pset(session, set, &group);
    MPI_Comm_create_from_group(group, tag, MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm);
    MPI_Group_free(&group);
    return comm;
}

/* Two halves, and the communicator between them, from groups alone. */
static void session_halves(MPI_Session session)
{
    MPI_Group world, own, other;
    MPI_Comm inter;
    int half = size / 2, low = rank < half, remote, sum = 0;
    int first[1][3] = {{0, half - 1, 1}}, second[1][3] = {{half, size - 1, 1}};
    if (half == 0)
        return;
    MPI_Group_from_session_pset(session, "mpi://WORLD", &world);
    MPI_Group_range_incl(world, 1, low ? first : second, &own);
    MPI_Group_range_incl(world, 1, low ? second : first, &other);
    MPI_Intercomm_create_from_groups(own, 0, other, 0, "halves", MPI_INFO_NULL,
                                     MPI_ERRORS_ARE_FATAL, &inter);
    MPI_Comm_remote_size(inter, &remote);
    CHECK(remote == (low ? size - half : half), "the other half has %d ranks", remote);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, inter);
    int wanted = 0;
    for (int i = 0; i < size; i++)
        wanted += (i < half) != low ? i : 0;
    CHECK(sum == wanted, "the sum is %d, not %d", sum, wanted);
    MPI_Comm_free(&inter);
    MPI_Group_free(&own);
    MPI_Group_free(&other);
    MPI_Group_free(&world);
}

static void session_use(MPI_Session session)
{
    int count, length = 0, key;
    char name[64], text[16];
    MPI_Info info;
    MPI_Session_get_num_psets(session, MPI_INFO_NULL, &count);
    CHECK(count >= 2, "%d process sets", count);
    for (int i = 0; i < count; i++) {
        length = sizeof(name);
        MPI_Session_get_nth_pset(session, MPI_INFO_NULL, i, &length, name);
        CHECK(length == (int)strlen(name) + 1, "%s has length %d", name, length);
        MPI_Session_get_pset_info(session, name, &info);
        length = sizeof(text);
        MPI_Info_get_string(info, "mpi_size", &length, text, &key);
        CHECK(key && (strstr(name, "SELF") == NULL || atoi(text) == 1), "%s has %s", name, text);
        MPI_Info_free(&info);
    }
    MPI_Comm comm = session_comm(session, "mpi://WORLD", "all"), alone;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    int sum = 0;
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, comm);
    CHECK(sum == size * (size - 1) / 2, "the sum is %d", sum);
    alone = session_comm(session, "MPI://self", "alone");
    MPI_Comm_size(alone, &count);
    CHECK(count == 1, "mpi://SELF has %d ranks", count);
    session_halves(session);

    /* Buffered sends take the session's buffer, also on a duplicate. */
    static char room[1 << 16];
    void *back;
    MPI_Comm copy;
    MPI_Session_attach_buffer(session, room, sizeof(room));
    MPI_Comm_dup(comm, &copy);
    int value = 100 + rank, got = 0, right = (rank + 1) % size, left = (rank + size - 1) % size;
    MPI_Bsend(&value, 1, MPI_INT, right, 5, copy);
    MPI_Recv(&got, 1, MPI_INT, left, 5, copy, MPI_STATUS_IGNORE);
    CHECK(got == 100 + left, "%d from %d", got, left);
    MPI_Session_flush_buffer(session);
    MPI_Session_detach_buffer(session, &back, &count);
    CHECK(back == (void *)room && count == sizeof(room), "another buffer: %d bytes", count);
    CHECK(MPI_Bsend(&value, 1, MPI_INT, right, 5, copy) == MPI_ERR_BUFFER, "no buffer, no error");
    MPI_Comm_free(&copy);
    MPI_Comm_free(&comm);
    MPI_Comm_free(&alone);
}

static void sessions(void)
{
    int flag;
    for (int round = 0; round < 3; round++) {
        MPI_Session one, other;
        MPI_Info info;
        char level[32];
        int length = sizeof(level);
        MPI_Info_create(&info);
        MPI_Info_set(info, "thread_level", "MPI_THREAD_MULTIPLE");
        MPI_Session_init(info, MPI_ERRORS_RETURN, &one);
        MPI_Info_free(&info);
        MPI_Session_get_info(one, &info);
        MPI_Info_get_string(info, "thread_level", &length, level, &flag);
        MPI_Info_free(&info);
        CHECK(flag && strcmp(level, "MPI_THREAD_MULTIPLE") == 0, "another level of threads");
        MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &other);
        MPI_Session_get_info(other, &info);
        length = sizeof(level);
        MPI_Info_get_string(info, "thread_level", &length, level, &flag);
        MPI_Info_free(&info);
        CHECK(flag && strcmp(level, "MPI_THREAD_MULTIPLE") == 0, "another level than there is");
        session_use(one);
        session_use(other);
        MPI_Group group;
        CHECK(MPI_Group_from_session_pset(one, "mpi://NOBODY", &group) == MPI_ERR_ARG,
              "a set that is not there");
        MPI_Session_finalize(&other);
        CHECK(other == MPI_SESSION_NULL, "the handle is still there");
        MPI_Session_finalize(&one);
    }
    MPI_Initialized(&flag);
    CHECK(!flag, "sessions are no MPI_Init");
}

/* --- Partitioned ---------------------------------------------------------------------------------
 */

/* `in` partitions at the receiver, `out` at the sender, of `bytes` all together; in every round the
 * partitions become ready in another order. */
static void partitioned_pair(int out, int in, int bytes, int stride, int rounds)
{
    int right = (rank + 1) % size, left = (rank + size - 1) % size;
    int ints = bytes / 4;
    int *from = malloc((size_t)bytes), *to = malloc((size_t)bytes * (size_t)stride);
    MPI_Datatype spread;
    MPI_Request requests[2];
    MPI_Type_create_resized(MPI_INT, 0, 4 * stride, &spread);
    MPI_Type_commit(&spread);
    /* Another pair before, which is never started, keeps its place. */
    MPI_Psend_init(from, 1, 1, MPI_INT, right, 7, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[0]);
    MPI_Request_free(&requests[0]);
    MPI_Precv_init(to, 1, 1, MPI_INT, left, 7, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[0]);
    MPI_Request_free(&requests[0]);
    MPI_Precv_init(to, in, ints / in, spread, left, 7, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[0]);
    MPI_Psend_init(from, out, ints / out, MPI_INT, right, 7, MPI_COMM_WORLD, MPI_INFO_NULL,
                   &requests[1]);
    for (int round = 0; round < rounds; round++) {
        MPI_Status statuses[2];
        memset(to, 0xff, (size_t)bytes * (size_t)stride);
        MPI_Startall(2, requests);
        for (int k = 0; k < out; k++) {
            int part = (k * 7 + round) % out, each = ints / out;
            for (int i = part * each; i < (part + 1) * each; i++)
                from[i] = rank * 1000003 + round * 1009 + i;
            MPI_Pready(part, requests[1]);
        }
        for (int part = 0; part < in; part++) {
            int flag = 0, each = ints / in;
            while (!flag)
                MPI_Parrived(requests[0], part, &flag);
            for (int i = part * each; i < (part + 1) * each; i++)
                CHECK(to[i * stride] == left * 1000003 + round * 1009 + i, "element %d is %d", i,
                      to[i * stride]);
        }
        MPI_Waitall(2, requests, statuses);
        int count;
        MPI_Get_count(&statuses[0], MPI_BYTE, &count);
        CHECK(statuses[0].MPI_SOURCE == left && statuses[0].MPI_TAG == 7 && count == bytes,
              "the status says source %d, %d bytes", statuses[0].MPI_SOURCE, count);
    }
    MPI_Request_free(&requests[0]);
    MPI_Request_free(&requests[1]);
    MPI_Type_free(&spread);
    free(from);
    free(to);
}

static void partitioned(void)
{
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    /* 7 has no common divisor with the sender's numbers. */
    partitioned_pair(8, 8, 8 * 64, 1, 5);
    partitioned_pair(16, 4, 16 * 4096, 1, 3);
    partitioned_pair(3, 12, 12 * 30000, 2, 3);
    partitioned_pair(5, 6, 30 * 400, 1, 4); /* a message holds parts of several partitions */
    MPI_Request request;
    CHECK(MPI_Precv_init(NULL, 1, 1, MPI_INT, MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, MPI_INFO_NULL,
                         &request) == MPI_ERR_RANK,
          "a wildcard is taken");
    MPI_Psend_init(NULL, 2, 0, MPI_INT, MPI_PROC_NULL, 0, MPI_COMM_WORLD, MPI_INFO_NULL, &request);
    MPI_Start(&request);
    MPI_Pready_range(0, 1, request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    MPI_Request_free(&request);
    int data[3] = {1, 2, 3}, list[] = {2, 0};
    MPI_Psend_init(data, 3, 1, MPI_INT, rank, 1, MPI_COMM_WORLD, MPI_INFO_NULL, &request);
    CHECK(MPI_Pready(0, request) == MPI_ERR_REQUEST, "ready before it is active");
    MPI_Start(&request);
    CHECK(MPI_Pready(3, request) == MPI_ERR_ARG, "partition 3 of 3");
    MPI_Pready_list(2, list, request);
    CHECK(MPI_Pready(2, request) == MPI_ERR_ARG, "ready twice");
    MPI_Pready(1, request);
    int got[3] = {0};
    MPI_Request receive;
    MPI_Precv_init(got, 3, 1, MPI_INT, rank, 1, MPI_COMM_WORLD, MPI_INFO_NULL, &receive);
    MPI_Start(&receive);
    MPI_Wait(&receive, MPI_STATUS_IGNORE);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    CHECK(memcmp(got, data, sizeof(data)) == 0, "%d %d %d", got[0], got[1], got[2]);
    MPI_Request_free(&receive);
    MPI_Request_free(&request);
}

/* --- Buffers, exchanges, statuses ----------------------------------------------------------------
 */

static void buffers(void)
{
    static char small[1000 + MPI_BSEND_OVERHEAD], large[1 << 20];
    static int data[20000], got[20000];
    int right = (rank + 1) % size, left = (rank + size - 1) % size, bytes;
    void *back;
    MPI_Comm comm;
    MPI_Request request;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    MPI_Buffer_attach(large, sizeof(large));
    MPI_Comm_attach_buffer(comm, small, sizeof(small));
    CHECK(MPI_Comm_attach_buffer(comm, small, sizeof(small)) == MPI_ERR_BUFFER, "attached twice");
    /* The communicator's own buffer is the one that counts there. */
    CHECK(MPI_Bsend(data, 20000, MPI_INT, right, 1, comm) == MPI_ERR_BUFFER, "room for 80 KB");
    for (int i = 0; i < 20000; i++)
        data[i] = rank * 20000 + i;
    MPI_Bsend(data, 250, MPI_INT, right, 1, comm);
    MPI_Comm_iflush_buffer(comm, &request);
    for (int k = 0; k < 5; k++)
        MPI_Bsend(data, 20000, MPI_INT, right, k, MPI_COMM_WORLD);
    MPI_Recv(got, 250, MPI_INT, left, 1, comm, MPI_STATUS_IGNORE);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    CHECK(got[249] == left * 20000 + 249, "got %d", got[249]);
    MPI_Buffer_iflush(&request);
    for (int k = 4; k >= 0; k--) {
        MPI_Recv(got, 20000, MPI_INT, left, k, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        CHECK(got[19999] == left * 20000 + 19999, "got %d", got[19999]);
    }
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    MPI_Comm_flush_buffer(comm);
    MPI_Comm_detach_buffer(comm, &back, &bytes);
    CHECK(back == (void *)small && bytes == sizeof(small), "another buffer: %d bytes", bytes);
    /* Without its own, it uses the one of all. */
    MPI_Bsend(data, 20000, MPI_INT, right, 1, comm);
    MPI_Recv(got, 20000, MPI_INT, left, 1, comm, MPI_STATUS_IGNORE);
    MPI_Buffer_detach(&back, &bytes);
    CHECK(back == (void *)large && bytes == sizeof(large), "another buffer: %d bytes", bytes);
    MPI_Comm_free(&comm);
}

static void exchange(void)
{
    static int out[30000], in[30000];
    int right = (rank + 1) % size, left = (rank + size - 1) % size, count, flag, index, found;
    int indices[3];
    MPI_Request requests[3];
    MPI_Status status, statuses[3];
    for (int length = 1; length <= 30000; length = length * 3 + 1) {
        for (int i = 0; i < length; i++)
            out[i] = rank * 30000 + i;
        MPI_Isendrecv(out, length, MPI_INT, right, length, in, 30000, MPI_INT, MPI_ANY_SOURCE,
                      MPI_ANY_TAG, MPI_COMM_WORLD, &requests[0]);
        MPI_Wait(&requests[0], &status);
        MPI_Get_count(&status, MPI_INT, &count);
        CHECK(status.MPI_SOURCE == left && status.MPI_TAG == length && count == length,
              "source %d, tag %d, count %d", status.MPI_SOURCE, status.MPI_TAG, count);
        CHECK(in[length - 1] == left * 30000 + length - 1, "the last is %d", in[length - 1]);
        MPI_Isendrecv_replace(out, length, MPI_INT, right, 3, left, 3, MPI_COMM_WORLD,
                              &requests[0]);
        MPI_Wait(&requests[0], &status);
        CHECK(memcmp(in, out, (size_t)length * 4) == 0, "replaced by something else");
        MPI_Barrier(MPI_COMM_WORLD);
    }
    MPI_Isendrecv(out, 1, MPI_INT, MPI_PROC_NULL, 0, in, 1, MPI_INT, MPI_PROC_NULL, 0,
                  MPI_COMM_WORLD, &requests[0]);
    MPI_Wait(&requests[0], &status);
    CHECK(status.MPI_SOURCE == MPI_PROC_NULL, "source %d", status.MPI_SOURCE);

    /* Statuses without completing. */
    requests[1] = MPI_REQUEST_NULL;
    MPI_Irecv(in, 1, MPI_INT, rank, 1, MPI_COMM_WORLD, &requests[0]);
    MPI_Irecv(in + 1, 1, MPI_INT, rank, 2, MPI_COMM_WORLD, &requests[2]);
    MPI_Request_get_status_all(3, requests, &flag, statuses);
    CHECK(!flag, "nothing has come");
    MPI_Request_get_status_any(3, requests, &index, &flag, &status);
    CHECK(!flag && index == MPI_UNDEFINED, "any: %d", index);
    MPI_Send(out, 1, MPI_INT, rank, 2, MPI_COMM_WORLD);
    MPI_Request_get_status_any(3, requests, &index, &flag, &status);
    CHECK(flag && index == 2 && status.MPI_TAG == 2, "any: %d, tag %d", index, status.MPI_TAG);
    MPI_Request_get_status_some(3, requests, &found, indices, statuses);
    CHECK(found == 1 && indices[0] == 2 && statuses[0].MPI_TAG == 2, "some: %d", found);
    MPI_Request_get_status_all(3, requests, &flag, statuses);
    CHECK(!flag, "one has not come");
    MPI_Send(out, 1, MPI_INT, rank, 1, MPI_COMM_WORLD);
    MPI_Request_get_status_all(3, requests, &flag, statuses);
    CHECK(flag && statuses[0].MPI_TAG == 1 && statuses[2].MPI_TAG == 2, "both have come");
    CHECK(requests[0] != MPI_REQUEST_NULL && requests[2] != MPI_REQUEST_NULL, "they stay");
    MPI_Waitall(3, requests, MPI_STATUSES_IGNORE);
    MPI_Request_get_status_some(3, requests, &found, indices, statuses);
    CHECK(found == MPI_UNDEFINED, "none is active: %d", found);
    MPI_Request_get_status_any(3, requests, &index, &flag, &status);
    CHECK(flag && index == MPI_UNDEFINED, "none is active: %d", index);
}

/* --- Shared memory and tools ---------------------------------------------------------------------
 */

static void shared(void)
{
    MPI_Comm node;
    MPI_Win win;
    int count, unit;
    int64_t *memory, *queried;
    MPI_Aint bytes;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &count);
    MPI_Win_allocate_shared(800, 8, MPI_INFO_NULL, node, &memory, &win);
    for (int other = 0; other < count; other++) {
        MPI_Win_shared_query(win, other, &bytes, &unit, &queried);
        CHECK(bytes == 800 && unit == 8, "%d bytes of unit %d", (int)bytes, unit);
    }
    memory[99] = 5;
    MPI_Win_free(&win);
    MPI_Comm_free(&node);
}

static void tools(void)
{
    int provided, count, class, index, value = rank, got;
    MPI_T_pvar_session session;
    MPI_T_pvar_handle handle;
    unsigned long long before, after;
    char name[64];
    MPI_T_init_thread(MPI_THREAD_SINGLE, &provided);
    MPI_T_pvar_get_num(&count);
    for (int i = 0; i < count; i++) {
        int length = sizeof(name);
        MPI_T_pvar_get_info(i, name, &length, NULL, &class, NULL, NULL, NULL, NULL, NULL, NULL,
                            NULL, NULL);
        CHECK(MPI_T_pvar_get_index(name, class, &index) == MPI_SUCCESS && index == i, "%s", name);
    }
    MPI_T_pvar_session_create(&session);
    CHECK(MPI_T_pvar_get_index("cells_sent", MPI_T_PVAR_CLASS_COUNTER, &index) == MPI_SUCCESS,
          "no counter of cells");
    MPI_T_pvar_handle_alloc(session, index, NULL, &handle, &count);
    MPI_T_pvar_read(session, handle, &before);
    for (int i = 0; i < 10; i++)
        MPI_Sendrecv(&value, 1, MPI_INT, (rank + 1) % size, 0, &got, 1, MPI_INT,
                     (rank + size - 1) % size, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_T_pvar_read(session, handle, &after);
    CHECK(size == 1 || after - before >= 10, "%llu cells for 10 messages", after - before);
    MPI_T_pvar_handle_free(session, &handle);
    /* Messages that nobody wants yet are counted. */
    MPI_T_pvar_get_index("unexpected_messages", MPI_T_PVAR_CLASS_LEVEL, &index);
    MPI_T_pvar_handle_alloc(session, index, NULL, &handle, &count);
    for (int i = 0; i < 7; i++)
        MPI_Send(&value, 1, MPI_INT, rank, 9, MPI_COMM_WORLD);
    MPI_T_pvar_read(session, handle, &after);
    CHECK(after >= 7, "%llu unexpected messages", after);
    for (int i = 0; i < 7; i++)
        MPI_Recv(&got, 1, MPI_INT, rank, 9, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_T_pvar_session_free(&session);
    MPI_T_event_get_num(&count);
    CHECK(count == 0, "%d events", count);
    CHECK(MPI_T_event_get_index("any", &index) == MPI_T_ERR_INVALID_NAME, "an event named any");
    MPI_T_finalize();
}

int main(int count, char **words)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {{"partitioned", partitioned},
                 {"buffers", buffers},
                 {"exchange", exchange},
                 {"shared", shared},
                 {"tools", tools}};
    const char *what = count > 1 ? words[1] : "";
    if (strcmp(what, "sessions") == 0) {
        sessions();
        if (rank == 0)
            puts("sessions: fine");
        return 0;
    }
    MPI_Init(&count, &words);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        if (strcmp(what, tests[i].name) == 0) {
            tests[i].run();
            MPI_Barrier(MPI_COMM_WORLD);
            if (rank == 0)
                printf("%s: fine\n", what);
        }
    MPI_Finalize();
    return 0;
}

/* The tool interface, the profiling interface, memory, and calls that Atoll refuses. Checks itself,
 * for any number of ranks; the last line of rank 0 is "local: fine". */
#include <mpi.h>
#include <stdio.h>
#include <string.h>

static int rank, size, sends;

#define CHECK(Condition)                                                                           \
    do {                                                                                           \
        if (!(Condition)) {                                                                        \
            fprintf(stderr, "rank %d, line %d: not " #Condition "\n", rank, __LINE__);             \
            MPI_Abort(MPI_COMM_WORLD, 3);                                                          \
        }                                                                                          \
    } while (0)

/* A tool's function stands before the library's. */
int MPI_Send(const void *buf, int count, MPI_Datatype datatype, int dest, int tag, MPI_Comm comm)
{
    sends++;
    return PMPI_Send(buf, count, datatype, dest, tag, comm);
}

static void tool(void)
{
    int provided, count, index, length = 8, class, others = 5;
    unsigned long long waiting = 99, inside = 0;
    char name[8];
    MPI_T_pvar_session session;
    MPI_T_pvar_handle handle;
    MPI_T_cvar_handle constant;

    CHECK(MPI_T_pvar_get_num(&count) == MPI_T_ERR_NOT_INITIALIZED);
    CHECK(MPI_T_init_thread(MPI_THREAD_SINGLE, &provided) == MPI_SUCCESS);
    CHECK(MPI_T_pvar_get_num(&count) == MPI_SUCCESS && count >= 2);
    CHECK(MPI_T_pvar_get_index("unexpected_messages", MPI_T_PVAR_CLASS_LEVEL, &index) ==
          MPI_SUCCESS);
    CHECK(MPI_T_pvar_get_info(index, name, &length, NULL, &class, NULL, NULL, NULL, NULL, NULL,
                              NULL, NULL, NULL) == MPI_SUCCESS);
    CHECK(strcmp(name, "unexpec") == 0 && length == 20 && class == MPI_T_PVAR_CLASS_LEVEL);
    CHECK(MPI_T_pvar_session_create(&session) == MPI_SUCCESS);
    CHECK(MPI_T_pvar_handle_alloc(session, index, NULL, &handle, &count) == MPI_SUCCESS);
    CHECK(MPI_T_pvar_read(session, handle, &waiting) == MPI_SUCCESS && waiting == 0);
    /* five messages to oneself that nobody has asked for */
    MPI_Request requests[5];
    for (int i = 0; i < others; i++)
        MPI_Isend(&rank, 1, MPI_INT, 0, i, MPI_COMM_SELF, &requests[i]);
    CHECK(MPI_T_pvar_read(session, handle, &waiting) == MPI_SUCCESS && waiting == 5);
    for (int i = 0; i < others; i++)
        MPI_Recv(&index, 1, MPI_INT, 0, i, MPI_COMM_SELF, MPI_STATUS_IGNORE);
    MPI_Waitall(others, requests, MPI_STATUSES_IGNORE);
    CHECK(MPI_T_pvar_read(session, handle, &waiting) == MPI_SUCCESS && waiting == 0);
    CHECK(MPI_T_pvar_start(session, handle) == MPI_T_ERR_PVAR_NO_STARTSTOP);
    CHECK(MPI_T_pvar_start(session, MPI_T_PVAR_ALL_HANDLES) == MPI_SUCCESS);
    CHECK(MPI_T_pvar_handle_free(session, &handle) == MPI_SUCCESS);
    CHECK(MPI_T_pvar_session_free(&session) == MPI_SUCCESS);
    CHECK(MPI_T_cvar_get_index("cell_payload", &index) == MPI_SUCCESS);
    CHECK(MPI_T_cvar_handle_alloc(index, NULL, &constant, &count) == MPI_SUCCESS);
    CHECK(MPI_T_cvar_read(constant, &inside) == MPI_SUCCESS && inside == 48);
    CHECK(MPI_T_cvar_write(constant, &inside) == MPI_T_ERR_CVAR_SET_NEVER);
    CHECK(MPI_T_cvar_handle_free(&constant) == MPI_SUCCESS);
    CHECK(MPI_T_finalize() == MPI_SUCCESS && MPI_T_finalize() == MPI_T_ERR_NOT_INITIALIZED);
}

static void refused(void)
{
    char port[MPI_MAX_PORT_NAME];
    MPI_Comm other = MPI_COMM_NULL;

    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    CHECK(MPI_Comm_spawn("x", MPI_ARGV_NULL, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF, &other,
                         MPI_ERRCODES_IGNORE) == MPI_ERR_UNSUPPORTED_OPERATION);
    CHECK(MPI_Open_port(MPI_INFO_NULL, port) == MPI_ERR_UNSUPPORTED_OPERATION);
    CHECK(MPI_Comm_get_parent(&other) == MPI_SUCCESS && other == MPI_COMM_NULL);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_ARE_FATAL);
}

int main(int argc, char **argv)
{
    int number = 0, value = 7, *found, flag, keyval;
    void *memory;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    tool();
    refused();
    if (rank == 0)
        for (int i = 1; i < size; i++)
            MPI_Send(&value, 1, MPI_INT, i, 1, MPI_COMM_WORLD);
    else
        MPI_Recv(&number, 1, MPI_INT, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    CHECK(rank > 0 || sends == size - 1);
    CHECK(rank == 0 || number == value);
    CHECK(MPI_Alloc_mem(1000, MPI_INFO_NULL, &memory) == MPI_SUCCESS);
    memset(memory, 1, 1000);
    CHECK(MPI_Free_mem(memory) == MPI_SUCCESS);
    MPI_Keyval_create(MPI_DUP_FN, MPI_NULL_DELETE_FN, &keyval, NULL);
    MPI_Attr_put(MPI_COMM_WORLD, keyval, &value);
    MPI_Attr_get(MPI_COMM_WORLD, keyval, &found, &flag);
    CHECK(flag && *found == 7);
    MPI_Attr_delete(MPI_COMM_WORLD, keyval);
    MPI_Keyval_free(&keyval);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("local: fine\n");
    MPI_Finalize();
    return 0;
}

/* Files of MPI: views, pointers of all kinds, errors. Checks itself, for any number of ranks, in
 * the folder of its argument; the last line of rank 0 is "io: fine". */
#include <mpi.h>
#include <stdio.h>
#include <string.h>

static int rank, size;
static char name[256];

#define CHECK(Condition)                                                                           \
    do {                                                                                           \
        if (!(Condition)) {                                                                        \
            fprintf(stderr, "rank %d, line %d: not %s\n", rank, __LINE__, #Condition);             \
            MPI_Abort(MPI_COMM_WORLD, 3);                                                          \
        }                                                                                          \
    } while (0)
#define FINE(Call) CHECK((Call) == MPI_SUCCESS)

static MPI_File open_file(int mode)
{
    MPI_File file;

    FINE(MPI_File_open(MPI_COMM_WORLD, name, mode, MPI_INFO_NULL, &file));
    return file;
}

static int count_of(MPI_Status *status, MPI_Datatype type)
{
    int count;

    MPI_Get_count(status, type, &count);
    return count;
}

static void errors(void)
{
    MPI_File file = MPI_FILE_NULL;
    MPI_Offset bytes;
    int value = 1;

    CHECK(MPI_File_open(MPI_COMM_WORLD, name, MPI_MODE_RDONLY, MPI_INFO_NULL, &file) ==
          MPI_ERR_NO_SUCH_FILE);
    CHECK(file == MPI_FILE_NULL);
    CHECK(MPI_File_open(MPI_COMM_WORLD, name, MPI_MODE_RDONLY | MPI_MODE_RDWR, MPI_INFO_NULL,
                        &file) == MPI_ERR_AMODE);
    CHECK(MPI_File_delete(name, MPI_INFO_NULL) == MPI_ERR_NO_SUCH_FILE);
    CHECK(MPI_File_get_size(MPI_FILE_NULL, &bytes) == MPI_ERR_FILE);
    file = open_file(MPI_MODE_CREATE | MPI_MODE_EXCL | MPI_MODE_WRONLY);
    CHECK(MPI_File_read(file, &value, 1, MPI_INT, MPI_STATUS_IGNORE) == MPI_ERR_ACCESS);
    FINE(MPI_File_close(&file));
    CHECK(file == MPI_FILE_NULL);
    CHECK(MPI_File_open(MPI_COMM_WORLD, name, MPI_MODE_CREATE | MPI_MODE_EXCL | MPI_MODE_RDWR,
                        MPI_INFO_NULL, &file) == MPI_ERR_FILE_EXISTS);
    file = open_file(MPI_MODE_RDONLY);
    CHECK(MPI_File_write(file, &value, 1, MPI_INT, MPI_STATUS_IGNORE) == MPI_ERR_READ_ONLY);
    CHECK(MPI_File_set_size(file, 5) == MPI_ERR_READ_ONLY);
    CHECK(MPI_File_set_view(file, 0, MPI_INT, MPI_INT, "other", MPI_INFO_NULL) ==
          MPI_ERR_UNSUPPORTED_DATAREP);
    FINE(MPI_File_close(&file));
}

/* Columns of a matrix: every rank's are a subarray, written together and read by rows. */
static void views(const char *representation, int external)
{
    enum { ROWS = 37, COLUMNS = 5 };
    int sizes[2] = {ROWS, COLUMNS * size}, parts[2] = {ROWS, COLUMNS},
        from[2] = {0, COLUMNS * rank};
    int mine[ROWS * COLUMNS], row[COLUMNS * 64];
    unsigned char raw[4];
    MPI_Datatype columns, etype, filetype;
    MPI_Offset bytes, at;
    MPI_Request request;
    MPI_Status status;
    char text[MPI_MAX_DATAREP_STRING];
    MPI_File file = open_file(MPI_MODE_RDWR);

    for (int i = 0; i < ROWS * COLUMNS; i++)
        mine[i] = i / COLUMNS * 1000 + COLUMNS * rank + i % COLUMNS;
    FINE(MPI_Type_create_subarray(2, sizes, parts, from, MPI_ORDER_C, MPI_INT, &columns));
    FINE(MPI_Type_commit(&columns));
    FINE(MPI_File_set_view(file, 8, MPI_INT, columns, representation, MPI_INFO_NULL));
    FINE(MPI_File_get_view(file, &at, &etype, &filetype, text));
    CHECK(at == 8 && etype == MPI_INT && filetype != columns && !strcmp(text, representation));
    FINE(MPI_Type_free(&filetype));
    FINE(MPI_File_get_byte_offset(file, COLUMNS, &at));
    CHECK(at == 8 + 4 * (COLUMNS * size + COLUMNS * rank));
    FINE(MPI_File_write_all(file, mine, ROWS * COLUMNS, MPI_INT, &status));
    CHECK(count_of(&status, MPI_INT) == ROWS * COLUMNS);
    FINE(MPI_File_get_position(file, &at));
    CHECK(at == ROWS * COLUMNS);
    FINE(MPI_File_sync(file));
    FINE(MPI_File_get_size(file, &bytes));
    CHECK(bytes == 8 + 4LL * ROWS * COLUMNS * size);
    memset(mine, 0, sizeof(mine));
    FINE(MPI_File_iread_at(file, 0, mine, ROWS * COLUMNS, MPI_INT, &request));
    FINE(MPI_Wait(&request, &status));
    CHECK(count_of(&status, MPI_INT) == ROWS * COLUMNS);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        CHECK(mine[i] == i / COLUMNS * 1000 + COLUMNS * rank + i % COLUMNS);
    FINE(MPI_File_seek(file, -3, MPI_SEEK_END));
    FINE(MPI_File_read(file, mine, 7, MPI_INT, &status));
    CHECK(count_of(&status, MPI_INT) == 3);
    FINE(MPI_File_set_view(file, 8, MPI_INT, MPI_INT, representation, MPI_INFO_NULL));
    for (int i = rank; i < ROWS; i += size) {
        FINE(MPI_File_read_at(file, (MPI_Offset)i * COLUMNS * size, row, COLUMNS * size, MPI_INT,
                              MPI_STATUS_IGNORE));
        for (int k = 0; k < COLUMNS * size; k++)
            CHECK(row[k] == i * 1000 + k);
    }
    FINE(MPI_File_set_view(file, 0, MPI_BYTE, MPI_BYTE, "native", MPI_INFO_NULL));
    FINE(MPI_File_read_at_all_begin(file, 12, raw, 4, MPI_BYTE));
    CHECK(MPI_File_read_all_end(file, raw, &status) == MPI_ERR_OTHER);
    FINE(MPI_File_read_at_all_end(file, raw, &status));
    CHECK(raw[external ? 3 : 0] == 1 && raw[external ? 0 : 3] == 0);
    FINE(MPI_Type_free(&columns));
    FINE(MPI_File_close(&file));
}

/* In external32 a long has 4 bytes: pointers count those, statuses the 8 in memory. */
static void longs(void)
{
    long values[5] = {0};
    MPI_Offset at;
    MPI_Status status;
    MPI_File file = open_file(MPI_MODE_RDWR);
    FINE(MPI_File_set_size(file, 0));
    FINE(MPI_File_set_view(file, 16 * rank, MPI_LONG, MPI_LONG, "external32", MPI_INFO_NULL));
    for (int i = 0; i < 4; i++)
        values[i] = -100L * rank - i;
    FINE(MPI_File_write_all(file, values, 4, MPI_LONG, &status));
    CHECK(count_of(&status, MPI_LONG) == 4);
    FINE(MPI_File_get_position(file, &at));
    CHECK(at == 4);
    FINE(MPI_File_sync(file));
    MPI_Barrier(MPI_COMM_WORLD);
    FINE(MPI_File_get_size(file, &at));
    CHECK(at == 16 * size);
    FINE(MPI_File_set_view(file, 0, MPI_LONG, MPI_LONG, "external32", MPI_INFO_NULL));
    FINE(MPI_File_seek(file, -2, MPI_SEEK_END));
    FINE(MPI_File_read(file, values, 5, MPI_LONG, &status));
    CHECK(count_of(&status, MPI_LONG) == 2);
    CHECK(values[0] == -100L * (size - 1) - 2 && values[1] == -100L * (size - 1) - 3);
    FINE(MPI_File_get_position(file, &at));
    CHECK(at == 4 * size);
    FINE(MPI_File_close(&file));
}

static void shared(void)
{
    enum { TIMES = 20 };
    int pair[2], seen[64] = {0};
    MPI_Offset at;
    MPI_File file = open_file(MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE);

    FINE(MPI_File_set_size(file, 0));
    FINE(MPI_File_set_view(file, 0, MPI_INT, MPI_INT, "native", MPI_INFO_NULL));
    for (int i = 0; i < TIMES; i++) {
        pair[0] = rank;
        pair[1] = i;
        FINE(MPI_File_write_shared(file, pair, 2, MPI_INT, MPI_STATUS_IGNORE));
    }
    MPI_Barrier(MPI_COMM_WORLD);
    FINE(MPI_File_get_position_shared(file, &at));
    CHECK(at == 2LL * TIMES * size);
    for (int i = 0; i < TIMES * size; i++) { /* each rank's are in its order */
        FINE(MPI_File_read_at(file, 2 * i, pair, 2, MPI_INT, MPI_STATUS_IGNORE));
        CHECK(pair[0] >= 0 && pair[0] < size && pair[1] == seen[pair[0]]);
        seen[pair[0]]++;
    }
    FINE(MPI_File_seek_shared(file, 1, MPI_SEEK_SET));
    FINE(MPI_File_write_ordered(file, seen, rank, MPI_INT, MPI_STATUS_IGNORE));
    FINE(MPI_File_get_position_shared(file, &at));
    CHECK(at == 1 + size * (size - 1) / 2);
    MPI_Barrier(MPI_COMM_WORLD);
    FINE(MPI_File_set_atomicity(file, 1));
    FINE(MPI_File_write_at(file, rank, &rank, 1, MPI_INT, MPI_STATUS_IGNORE));
    MPI_Barrier(MPI_COMM_WORLD);
    FINE(MPI_File_read_at(file, size - 1 - rank, pair, 1, MPI_INT, MPI_STATUS_IGNORE));
    CHECK(pair[0] == size - 1 - rank);
    FINE(MPI_File_close(&file));
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    CHECK(argc == 2 && size <= 64);
    snprintf(name, sizeof(name), "%s/mpi-io", argv[1]);
    errors();
    views("native", 0);
    views("external32", 1);
    longs();
    shared();
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("io: fine\n");
    MPI_Finalize();
    return 0;
}

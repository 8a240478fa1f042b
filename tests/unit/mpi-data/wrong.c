/* Wrong and random arguments: the right class comes back, and nothing else happens. */
#include "tests/unit/mpi-data/support.h"

#include "abi/mpi/datatype.h"
#include "abi/mpi/handle.h"

/* A handle that is no object's: constants of any kind and objects of another kind. */
static void *random_handle(uint64_t *seed, void *other)
{
    return random_in(seed, 0, 9) == 0 ? other : (void *)random_in(seed, 0, 0xfff);
}

static int random_number(uint64_t *seed)
{
    static const int numbers[] = {0, 1, -1, 2, 7, -8, INT32_MAX, INT32_MIN, 1 << 20};

    return numbers[random_in(seed, 0, 8)];
}

Test(wrong, random_arguments_of_constructors, .timeout = 60)
{
    uint64_t seed = 77;
    MPI_Info info;

    errors_return();
    MPI_Info_create(&info);
    for (int round = 0; round < 200000; round++) {
        MPI_Datatype old = random_handle(&seed, info), made = MPI_DATATYPE_NULL;
        int count = random_number(&seed), length = random_number(&seed);
        int stride = random_number(&seed), error;
        int numbers[4], more[4], third[4];
        MPI_Aint addresses[4];
        MPI_Datatype types[4];

        for (int i = 0; i < 4; i++) {
            numbers[i] = random_number(&seed);
            more[i] = random_number(&seed);
            third[i] = random_number(&seed);
            addresses[i] = (MPI_Aint)random_next(&seed);
            types[i] = random_handle(&seed, info);
        }
        switch (random_in(&seed, 0, 8)) {
        case 0:
            error = MPI_Type_contiguous(count, old, &made);
            break;
        case 1:
            error = MPI_Type_vector(count, length, stride, old, &made);
            break;
        case 2:
            error = MPI_Type_create_hvector_c((MPI_Count)count * (1LL << 31), length,
                                              (MPI_Count)stride * (1LL << 31), old, &made);
            break;
        case 3:
            error = MPI_Type_indexed(count > 4 ? 4 : count, numbers, more, old, &made);
            break;
        case 4:
            error = MPI_Type_create_hindexed(count > 4 ? 4 : count, numbers, addresses, old, &made);
            break;
        case 5:
            error = MPI_Type_create_struct(count > 4 ? 4 : count, numbers, addresses, types, &made);
            break;
        case 6:
            error = MPI_Type_create_subarray(count > 4 ? 4 : count, numbers, more, third, 12, old,
                                             &made);
            break;
        case 7:
            error = MPI_Type_create_resized(old, addresses[0], addresses[1], &made);
            break;
        default:
            error = MPI_Type_create_darray(count, length, stride > 4 ? 4 : stride, numbers, more,
                                           third, numbers, 15, old, &made);
            break;
        }
        if (error == MPI_SUCCESS) {
            MPI_Count size;

            cr_assert_not_null(datatype_of(made));
            cr_assert_eq(MPI_Type_size_c(made, &size), MPI_SUCCESS);
            cr_assert_geq(size, 0);
            cr_assert_eq(MPI_Type_free(&made), MPI_SUCCESS);
        } else {
            cr_assert(error == MPI_ERR_ARG || error == MPI_ERR_COUNT || error == MPI_ERR_TYPE,
                      "class %d", error);
            cr_assert_eq(made, MPI_DATATYPE_NULL);
        }
    }
    MPI_Info_free(&info);
}

Test(wrong, each_argument_has_its_class)
{
    MPI_Datatype type = MPI_DATATYPE_NULL, fine;
    const int sizes[] = {4, 4}, parts[] = {2, 5}, starts[] = {0, 0};
    int size, position = 0, flag;
    char buffer[16], packed[8];
    MPI_Status status;

    errors_return();
    cr_assert_eq(MPI_Type_contiguous(-1, MPI_INT, &type), MPI_ERR_COUNT);
    cr_assert_eq(MPI_Type_contiguous(1, MPI_DATATYPE_NULL, &type), MPI_ERR_TYPE);
    cr_assert_eq(MPI_Type_contiguous(1, (MPI_Datatype)MPI_COMM_WORLD, &type), MPI_ERR_TYPE);
    cr_assert_eq(MPI_Type_contiguous(1, MPI_REAL2, &type), MPI_ERR_TYPE);
    cr_assert_eq(MPI_Type_contiguous(1, MPI_INT, NULL), MPI_ERR_ARG);
    cr_assert_eq(MPI_Type_vector(1, -1, 0, MPI_INT, &type), MPI_ERR_ARG);
    cr_assert_eq(MPI_Type_create_subarray(2, sizes, parts, starts, MPI_ORDER_C, MPI_INT, &type),
                 MPI_ERR_ARG);
    cr_assert_eq(MPI_Type_create_subarray(2, sizes, sizes, starts, 99, MPI_INT, &type),
                 MPI_ERR_ARG);
    cr_assert_eq(MPI_Type_commit(&type), MPI_ERR_TYPE);
    cr_assert_eq(MPI_Type_free(&type), MPI_ERR_TYPE);
    fine = MPI_INT;
    cr_assert_eq(MPI_Type_free(&fine), MPI_ERR_TYPE);
    MPI_Type_contiguous(2, MPI_INT, &fine);
    cr_assert_eq(MPI_Pack(buffer, 1, fine, packed, 8, &position, MPI_COMM_SELF), MPI_ERR_TYPE);
    MPI_Type_commit(&fine);
    cr_assert_eq(MPI_Pack(buffer, 1, fine, packed, 8, &position, MPI_COMM_SELF), MPI_SUCCESS);
    cr_assert_eq(position, 8);
    cr_assert_eq(MPI_Pack(buffer, 1, MPI_CHAR, packed, 8, &position, MPI_COMM_SELF),
                 MPI_ERR_TRUNCATE);
    cr_assert_eq(MPI_Pack(buffer, -1, MPI_CHAR, packed, 8, &position, MPI_COMM_SELF),
                 MPI_ERR_COUNT);
    cr_assert_eq(MPI_Pack(buffer, 1, MPI_CHAR, packed, 8, &position, MPI_COMM_NULL), MPI_ERR_COMM);
    position = 9;
    cr_assert_eq(MPI_Unpack(packed, 8, &position, buffer, 1, MPI_CHAR, MPI_COMM_SELF), MPI_ERR_ARG);
    cr_assert_eq(MPI_Type_size(MPI_DATATYPE_NULL, &size), MPI_ERR_TYPE);
    cr_assert_eq(MPI_Get_count(MPI_STATUS_IGNORE, MPI_INT, &size), MPI_ERR_ARG);
    cr_assert_eq(MPI_Status_set_cancelled(&status, 1), MPI_SUCCESS);
    cr_assert_eq(MPI_Test_cancelled(&status, &flag), MPI_SUCCESS);
    cr_assert_eq(flag, 1);
    MPI_Type_free(&fine);
}

/* Sizes beyond 32 and 64 bits. */
Test(wrong, sizes_that_do_not_fit)
{
    MPI_Datatype large, larger, most;
    MPI_Count size;
    int small;

    errors_return();
    cr_assert_eq(MPI_Type_contiguous_c((MPI_Count)1 << 40, MPI_INT, &large), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_size(large, &small), MPI_SUCCESS);
    cr_assert_eq(small, MPI_UNDEFINED);
    cr_assert_eq(MPI_Type_size_c(large, &size), MPI_SUCCESS);
    cr_assert_eq(size, (MPI_Count)1 << 42);
    cr_assert_eq(MPI_Type_contiguous_c((MPI_Count)1 << 20, large, &larger), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_contiguous_c(2, larger, &most), MPI_ERR_ARG);
    MPI_Type_free(&larger);
    MPI_Type_free(&large);
}

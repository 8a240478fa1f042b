/* Info objects, attributes, error classes and handlers, handles as integers. */
#include "tests/unit/mpi-data/support.h"

#include "abi/mpi/attribute.h"
#include "abi/mpi/errhandler.h"
#include "abi/mpi/handle.h"
#include "abi/mpi/info.h"
#include "abi/mpi/object.h"

#include <stdio.h>

Test(info, keys_and_values)
{
    MPI_Info info, copy;
    char key[MPI_MAX_INFO_KEY], value[MPI_MAX_INFO_VAL], longest[MPI_MAX_INFO_VAL + 1];
    int n, flag, length;

    errors_return();
    cr_assert_eq(MPI_Info_create(&info), MPI_SUCCESS);
    for (int i = 0; i < 30; i++) {
        char name[32], text[32];

        snprintf(name, sizeof(name), "key%d", i % 20);
        snprintf(text, sizeof(text), "value%d", i);
        cr_assert_eq(MPI_Info_set(info, name, text), MPI_SUCCESS);
    }
    cr_assert_eq(MPI_Info_get_nkeys(info, &n), MPI_SUCCESS);
    cr_assert_eq(n, 20);
    cr_assert_eq(MPI_Info_dup(info, &copy), MPI_SUCCESS);
    cr_assert_eq(MPI_Info_delete(info, "key3"), MPI_SUCCESS);
    cr_assert_eq(MPI_Info_delete(info, "key3"), MPI_ERR_INFO_NOKEY);
    cr_assert_eq(MPI_Info_get_nthkey(info, 3, key), MPI_SUCCESS);
    cr_assert_str_eq(key, "key4");
    cr_assert_eq(MPI_Info_get_nthkey(info, 19, key), MPI_ERR_ARG);
    cr_assert_eq(MPI_Info_get(copy, "key3", 4, value, &flag), MPI_SUCCESS);
    cr_assert(flag && strcmp(value, "valu") == 0);
    length = 4;
    cr_assert_eq(MPI_Info_get_string(copy, "key3", &length, value, &flag), MPI_SUCCESS);
    cr_assert(flag && length == 8 && strcmp(value, "val") == 0);
    cr_assert_eq(MPI_Info_get_valuelen(copy, "key3", &length, &flag), MPI_SUCCESS);
    cr_assert(flag && length == 7);
    cr_assert_eq(MPI_Info_get(info, "key3", 10, value, &flag), MPI_SUCCESS);
    cr_assert(!flag);
    memset(longest, 'x', sizeof(longest));
    longest[MPI_MAX_INFO_VAL] = '\0';
    cr_assert_eq(MPI_Info_set(info, "k", longest), MPI_ERR_INFO_VALUE);
    cr_assert_eq(MPI_Info_set(info, longest, "v"), MPI_ERR_INFO_KEY);
    cr_assert_eq(MPI_Info_set(info, "", "v"), MPI_ERR_INFO_KEY);
    cr_assert_eq(MPI_Info_set(MPI_INFO_NULL, "k", "v"), MPI_ERR_INFO);
    cr_assert_eq(MPI_Info_free(&info), MPI_SUCCESS);
    cr_assert_eq(info, MPI_INFO_NULL);
    cr_assert_eq(MPI_Info_free(&copy), MPI_SUCCESS);
    info = MPI_INFO_ENV;
    cr_assert_eq(MPI_Info_free(&info), MPI_ERR_INFO);
}

/* --- Attributes
 * ------------------------------------------------------------------------------------ */

static int copies, deletions;

static int copy_twice(MPI_Datatype type, int keyval, void *extra, void *in, void *out, int *flag)
{
    (void)type;
    (void)keyval;
    copies++;
    *(void **)out = (char *)in + (intptr_t)extra;
    *flag = in != NULL;
    return in == (void *)99 ? MPI_ERR_OTHER : MPI_SUCCESS;
}

static int count_deletion(MPI_Datatype type, int keyval, void *value, void *extra)
{
    (void)type;
    (void)keyval;
    (void)extra;
    deletions++;
    return value == (void *)66 ? MPI_ERR_OTHER : MPI_SUCCESS;
}

Test(attribute, of_datatypes)
{
    int counting, plain, none, flag, was;
    void *value;
    MPI_Datatype type;
    static MPI_Datatype copy; /* stays: its attribute refuses to go */

    errors_return();
    cr_assert_eq(MPI_Type_create_keyval(copy_twice, count_deletion, &counting, (void *)5),
                 MPI_SUCCESS);
    cr_assert_eq(MPI_Type_create_keyval(MPI_TYPE_DUP_FN, MPI_TYPE_NULL_DELETE_FN, &plain, NULL),
                 MPI_SUCCESS);
    cr_assert_eq(
        MPI_Type_create_keyval(MPI_TYPE_NULL_COPY_FN, MPI_TYPE_NULL_DELETE_FN, &none, NULL),
        MPI_SUCCESS);
    MPI_Type_contiguous(2, MPI_INT, &type);
    cr_assert_eq(MPI_Type_get_attr(type, counting, &value, &flag), MPI_SUCCESS);
    cr_assert_eq(flag, 0);
    cr_assert_eq(MPI_Type_set_attr(type, counting, (void *)10), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_set_attr(type, plain, (void *)20), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_set_attr(type, none, (void *)30), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_dup(type, &copy), MPI_SUCCESS);
    cr_assert_eq(copies, 1);
    cr_assert_eq(MPI_Type_get_attr(copy, counting, &value, &flag), MPI_SUCCESS);
    cr_assert(flag && value == (void *)15);
    cr_assert_eq(MPI_Type_get_attr(copy, plain, &value, &flag), MPI_SUCCESS);
    cr_assert(flag && value == (void *)20);
    cr_assert_eq(MPI_Type_get_attr(copy, none, &value, &flag), MPI_SUCCESS);
    cr_assert(!flag);

    /* a keyval that was freed lives on while attributes hold it, and can be used and freed again */
    was = plain;
    cr_assert_eq(MPI_Type_free_keyval(&plain), MPI_SUCCESS);
    cr_assert_eq(plain, MPI_KEYVAL_INVALID);
    cr_assert_eq(MPI_Type_set_attr(type, was, (void *)40), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_get_attr(type, was, &value, &flag), MPI_SUCCESS);
    cr_assert(flag && value == (void *)40);
    int again = was;
    cr_assert_eq(MPI_Type_free_keyval(&again), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_delete_attr(copy, was), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_delete_attr(type, was), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_set_attr(type, was, NULL), MPI_ERR_KEYVAL);

    /* the delete function's refusal keeps the object */
    cr_assert_eq(MPI_Type_set_attr(copy, counting, (void *)66), MPI_SUCCESS);
    cr_assert_eq(deletions, 1); /* of the value before */
    cr_assert_eq(MPI_Type_free(&copy), MPI_ERR_OTHER);
    cr_assert_neq(copy, MPI_DATATYPE_NULL);
    cr_assert_eq(MPI_Type_delete_attr(copy, counting), MPI_ERR_OTHER);
    struct attributes none_left = {0};
    cr_assert_eq(attributes_delete(OBJECT_DATATYPE, NULL, &none_left), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_set_attr(type, counting, (void *)99), MPI_SUCCESS);
    MPI_Datatype failed = MPI_DATATYPE_NULL;
    cr_assert_eq(MPI_Type_dup(type, &failed), MPI_ERR_OTHER);
    cr_assert_eq(failed, MPI_DATATYPE_NULL);
    cr_assert_eq(MPI_Type_delete_attr(type, counting), MPI_SUCCESS);
    cr_assert_eq(MPI_Type_delete_attr(type, counting), MPI_ERR_KEYVAL);
    cr_assert_eq(MPI_Type_free(&type), MPI_SUCCESS);
}

/* --- Errors
 * -------------------------------------------------------------------------------------------- */

Test(errors, classes_codes_and_strings)
{
    int class, code, asked, length, last;
    char text[MPI_MAX_ERROR_STRING];

    errors_return();
    for (int i = MPI_SUCCESS; i <= MPI_ERR_ERRHANDLER; i++) {
        cr_assert_eq(MPI_Error_class(i, &asked), MPI_SUCCESS);
        cr_assert_eq(asked, i);
        cr_assert_eq(MPI_Error_string(i, text, &length), MPI_SUCCESS);
        cr_assert((size_t)length == strlen(text) && length > 8);
    }
    cr_assert_eq(MPI_Error_class(MPI_ERR_LASTCODE, &asked), MPI_ERR_ARG);
    cr_assert_eq(MPI_Error_string(-5, text, &length), MPI_ERR_ARG);
    cr_assert_eq(MPI_Add_error_class(&class), MPI_SUCCESS);
    cr_assert_gt(class, MPI_ERR_LASTCODE);
    cr_assert_eq(MPI_Add_error_code(class, &code), MPI_SUCCESS);
    last = *error_last_used();
    cr_assert_eq(last, code);
    cr_assert_eq(MPI_Error_class(code, &asked), MPI_SUCCESS);
    cr_assert_eq(asked, class);
    cr_assert_eq(MPI_Error_string(code, text, &length), MPI_SUCCESS);
    cr_assert_eq(length, 0);
    cr_assert_eq(MPI_Add_error_string(code, "out of cheese"), MPI_SUCCESS);
    cr_assert_eq(MPI_Error_string(code, text, &length), MPI_SUCCESS);
    cr_assert_str_eq(text, "out of cheese");
    cr_assert_eq(MPI_Add_error_string(MPI_ERR_RANK, "mine"), MPI_ERR_ARG);
    cr_assert_eq(MPI_Remove_error_class(class), MPI_ERR_ARG); /* a code belongs to it */
    cr_assert_eq(MPI_Remove_error_code(code), MPI_ERR_ARG);   /* it has a string */
    cr_assert_eq(MPI_Remove_error_string(code), MPI_SUCCESS);
    cr_assert_eq(MPI_Remove_error_code(code), MPI_SUCCESS);
    cr_assert_eq(MPI_Remove_error_class(class), MPI_SUCCESS);
    cr_assert_eq(MPI_Remove_error_class(class), MPI_ERR_ARG);
    cr_assert_eq(MPI_Add_error_code(class, &code), MPI_ERR_ARG);
}

static int heard, heard_code;
static void hear(MPI_Comm *comm, int *code, ...)
{
    heard = *comm == MPI_COMM_WORLD;
    heard_code = *code;
}

Test(errors, handlers)
{
    struct errhandler *slot = &errhandler_fatal;
    MPI_Errhandler mine, got;

    errors_return();
    cr_assert_eq(MPI_Comm_create_errhandler(hear, &mine), MPI_SUCCESS);
    cr_assert_eq(errhandler_set(&slot, OBJECT_WIN, mine), MPI_ERR_ERRHANDLER);
    cr_assert_eq(errhandler_set(&slot, OBJECT_COMM, mine), MPI_SUCCESS);
    cr_assert_eq(MPI_Errhandler_free(&mine), MPI_SUCCESS);
    cr_assert_eq(mine, MPI_ERRHANDLER_NULL);
    cr_assert_eq(errhandler_raise(slot, OBJECT_COMM, MPI_COMM_WORLD, MPI_ERR_RANK, "here", NULL),
                 MPI_ERR_RANK);
    cr_assert(heard && heard_code == MPI_ERR_RANK);
    got = errhandler_get(&slot);
    cr_assert_eq(MPI_Errhandler_free(&got), MPI_SUCCESS);
    cr_assert_eq(errhandler_set(&slot, OBJECT_COMM, MPI_ERRORS_RETURN), MPI_SUCCESS);
    cr_assert_eq(errhandler_get(&slot), MPI_ERRORS_RETURN);
    cr_assert_eq(errhandler_set(&slot, OBJECT_COMM, MPI_ERRHANDLER_NULL), MPI_ERR_ERRHANDLER);
}

Test(errors, fatal_ones_end_the_job, .exit_code = MPI_ERR_COUNT)
{
    MPI_Datatype type;

    MPI_Type_contiguous(-1, MPI_INT, &type); /* nobody has called errors_return */
}

/* --- Handles
 * ---------------------------------------------------------------------------------------------- */

Test(handle, to_an_integer_and_back)
{
    MPI_Info infos[3000];
    int numbers[3000];

    errors_return();
    cr_assert_eq(MPI_Comm_toint(MPI_COMM_WORLD), 0x101);
    cr_assert_eq(MPI_Type_fromint(0x209), MPI_INT);
    for (int i = 0; i < 3000; i++) {
        MPI_Info_create(&infos[i]);
        numbers[i] = MPI_Info_toint(infos[i]);
        cr_assert_gt(numbers[i], 0xfff);
        cr_assert_eq(MPI_Info_toint(infos[i]), numbers[i]);
    }
    for (int i = 0; i < 3000; i++)
        cr_assert_eq(MPI_Info_f2c(numbers[i]), infos[i]);
    for (int i = 0; i < 3000; i += 2)
        MPI_Info_free(&infos[i]);
    cr_assert_null(MPI_Info_fromint(numbers[0]));
    for (int i = 0; i < 3000; i += 2) { /* numbers are used again */
        MPI_Info_create(&infos[i]);
        cr_assert_leq(MPI_Info_c2f(infos[i]), numbers[2999]);
    }
    for (int i = 0; i < 3000; i++)
        MPI_Info_free(&infos[i]);
    cr_assert_null(MPI_Info_fromint(-3));
    cr_assert_null(MPI_Info_fromint(0x7fffffff));
}

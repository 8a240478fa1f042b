/* What a window says of itself: group, name, info, error handler, attributes. */
#include "abi/mpi/window.h"

#include <stdio.h>

MPI_PROFILED(Win_get_group)
int PMPI_Win_get_group(MPI_Win win, MPI_Group *group)
{
    int error;
    const struct window *window = window_checked(win, "MPI_Win_get_group", &error);
    if (window != NULL)
        *group = group_handle(group_retain(window->comm->group));
    return error;
}

MPI_PROFILED(Win_set_name)
int PMPI_Win_set_name(MPI_Win win, const char *name)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_set_name", &error);
    if (window != NULL)
        snprintf(window->name, sizeof(window->name), "%s", name);
    return error;
}

MPI_PROFILED(Win_get_name)
int PMPI_Win_get_name(MPI_Win win, char *name, int *length)
{
    int error = MPI_SUCCESS;
    const char *text = "MPI_WIN_NULL";
    if (win != MPI_WIN_NULL) {
        const struct window *window = window_checked(win, "MPI_Win_get_name", &error);
        if (window == NULL)
            return error;
        text = window->name;
    }
    *length = snprintf(name, MPI_MAX_OBJECT_NAME, "%s", text);
    return error;
}

MPI_PROFILED(Win_set_info)
int PMPI_Win_set_info(MPI_Win win, MPI_Info info)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_set_info", &error);
    if (window == NULL)
        return error;
    if (!info_is_valid(info))
        return window_error(window, MPI_ERR_INFO, "MPI_Win_set_info", "the info is none, or freed");
    mpi_lock(); /* hints that are not named stay as they are */
    error = info_put_all(window->info, info_of(info));
    mpi_unlock();
    if (error != MPI_SUCCESS)
        return window_error(window, error, "MPI_Win_set_info", "no memory for an info");
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_get_info)
int PMPI_Win_get_info(MPI_Win win, MPI_Info *info)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_get_info", &error);
    if (window == NULL)
        return error;
    struct info *copy = info_copy(window->info);
    if (copy == NULL)
        return window_error(window, MPI_ERR_NO_MEM, "MPI_Win_get_info", "no memory for an info");
    *info = (MPI_Info)copy;
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_set_errhandler)
int PMPI_Win_set_errhandler(MPI_Win win, MPI_Errhandler errhandler)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_set_errhandler", &error);
    if (window == NULL)
        return error;
    error = errhandler_set(&window->errhandler, OBJECT_WIN, errhandler);
    if (error != MPI_SUCCESS)
        return window_error(window, error, "MPI_Win_set_errhandler",
                            "the error handler is none for windows");
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_get_errhandler)
int PMPI_Win_get_errhandler(MPI_Win win, MPI_Errhandler *errhandler)
{
    int error;
    const struct window *window = window_checked(win, "MPI_Win_get_errhandler", &error);
    if (window != NULL)
        *errhandler = errhandler_get(&window->errhandler);
    return error;
}

MPI_PROFILED(Win_call_errhandler)
int PMPI_Win_call_errhandler(MPI_Win win, int code)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_call_errhandler", &error);
    if (window == NULL)
        return error;
    window_error(window, code, "MPI_Win_call_errhandler", NULL);
    return MPI_SUCCESS;
}

/* --- Attributes --------------------------------------------------------------------------------
 */

static int keyval_error(struct window *window, int error, int keyval, const char *function)
{
    if (error == MPI_SUCCESS)
        return error;
    if (error == MPI_ERR_KEYVAL)
        return window_error(window, error, function, "the key %d is none for windows", keyval);
    return window_error(window, error, function, "an attribute's function failed");
}

int mpi_win_set_attr(MPI_Win win, int keyval, void *value, enum attribute_language language)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_set_attr", &error);
    if (window == NULL)
        return error;
    return keyval_error(
        window, attribute_set(OBJECT_WIN, win, &window->attributes, keyval, value, language),
        keyval, "MPI_Win_set_attr");
}

/* The value of a predefined attribute, or NULL: it is none. */
static void *predefined(struct window *window, int keyval)
{
    switch (keyval) {
    case MPI_WIN_SIZE:
        return &window->size;
    case MPI_WIN_DISP_UNIT:
        return &window->unit;
    case MPI_WIN_CREATE_FLAVOR:
        return &window->flavor;
    case MPI_WIN_MODEL:
        return &window->model;
    default:
        return NULL;
    }
}

MPI_PROFILED(Win_set_attr)
int PMPI_Win_set_attr(MPI_Win win, int keyval, void *value)
{
    return mpi_win_set_attr(win, keyval, value, ATTRIBUTE_C);
}

int mpi_win_get_attr(MPI_Win win, int keyval, void *value, int *flag,
                     enum attribute_language language)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_get_attr", &error);
    if (window == NULL)
        return error;
    void *held = keyval == MPI_WIN_BASE ? window->base : predefined(window, keyval);
    bool found = held != NULL || keyval == MPI_WIN_BASE;
    if (!found) {
        error = attribute_get(OBJECT_WIN, &window->attributes, keyval, language, &held, &found);
        if (error != MPI_SUCCESS)
            return keyval_error(window, error, keyval, "MPI_Win_get_attr");
    }
    *flag = found;
    if (found)
        memcpy(value, &held, sizeof(held));
    return MPI_SUCCESS;
}

MPI_PROFILED(Win_get_attr)
int PMPI_Win_get_attr(MPI_Win win, int keyval, void *value, int *flag)
{
    return mpi_win_get_attr(win, keyval, value, flag, ATTRIBUTE_C);
}

MPI_PROFILED(Win_delete_attr)
int PMPI_Win_delete_attr(MPI_Win win, int keyval)
{
    int error;
    struct window *window = window_checked(win, "MPI_Win_delete_attr", &error);
    if (window == NULL)
        return error;
    return keyval_error(window, attribute_delete(OBJECT_WIN, win, &window->attributes, keyval),
                        keyval, "MPI_Win_delete_attr");
}

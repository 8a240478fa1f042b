UNIT_mpi_data_SOURCES := $(addprefix abi/mpi/,layout.c datatype.c datatype_build.c datatype_parts.c \
        datatype_make.c datatype_create.c datatype_array.c datatype_fortran.c datatype_query.c \
        pack.c pack_calls.c external.c status_calls.c op.c op_kernels.c group.c info.c attribute.c \
        errors.c errhandler.c handle.c handle_calls.c) tests/unit/shm/leaks.c

# mpif.h, from mpi.h: its constants with the same values, in lines that fixed and free form both take.
# (POSIX awk; run by tests/make/mpi-fortran.mk)

BEGIN {
    print "! mpif.h of Atoll, made from mpi.h: handles are the standard ABI's constants."
    constant("MPI_ADDRESS_KIND", 8)
    constant("MPI_OFFSET_KIND", 8)
    constant("MPI_COUNT_KIND", 8)
    constant("MPI_INTEGER_KIND", 4)
    constant("MPI_STATUS_SIZE", 8)
    constant("MPI_SOURCE", 1)
    constant("MPI_TAG", 2)
    constant("MPI_ERROR", 3)
    for (n = split("MPI_SUBARRAYS_SUPPORTED MPI_ASYNC_PROTECTS_NONBLOCKING", names, " "); n > 0; n--) {
        print "      LOGICAL " names[n]
        print "      PARAMETER (" names[n] "=.FALSE.)"
    }
}

function constant(name, value)
{
    print "      INTEGER " name
    print "      PARAMETER (" name "=" value ")"
    value_of[name] = value
}

function place(name, shape, block)
{
    print "      INTEGER " name shape
    print "      COMMON /MPI_FORTRAN_" block "/ " name
}

function hexadecimal(text,    i, value)
{
    for (i = 3; i <= length(text); i++)
        value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
    return value
}

/MPI_T_/ || /MPI_F_/ || /MPI_ABI/ { next }
$1 == "#define" && match($0, /0x[0-9a-f]+\)$/) && $2 !~ /\(/ {
    constant($2, hexadecimal(substr($0, RSTART, RLENGTH - 1)))
    next
}
# one name for another
$1 == "#define" && NF == 3 && ($3 in value_of) { constant($2, value_of[$3]); next }
# Fortran's strings have no closing zero
$1 == "#define" && NF == 3 && $2 ~ /^MPI_MAX/ && $3 ~ /^[0-9]+$/ { constant($2, $3 - 1); next }
$1 == "#define" && NF == 3 && $3 ~ /^[0-9]+$/ { constant($2, $3); next }
$1 ~ /^MPI_/ && $2 == "=" && $3 ~ /^-?[0-9]+,$/ { constant($1, $3 + 0); next }
$1 ~ /^MPI_/ && $2 == "=" && $3 ~ /^0x/ { constant($1, hexadecimal(substr($3, 1, length($3) - 1))); next }
/define MPI_DISPLACEMENT_CURRENT/ {
    print "      INTEGER(KIND=8) MPI_DISPLACEMENT_CURRENT"
    print "      PARAMETER (MPI_DISPLACEMENT_CURRENT=-1)"
}

END {
    place("MPI_BOTTOM", "", "BOTTOM")
    place("MPI_IN_PLACE", "", "IN_PLACE")
    place("MPI_BUFFER_AUTOMATIC", "", "BUFFER_AUTOMATIC")
    place("MPI_STATUS_IGNORE", "(8)", "STATUS_IGNORE")
    place("MPI_STATUSES_IGNORE", "(8,1)", "STATUSES_IGNORE")
    place("MPI_UNWEIGHTED", "(1)", "UNWEIGHTED")
    place("MPI_WEIGHTS_EMPTY", "(1)", "WEIGHTS_EMPTY")
    place("MPI_ERRCODES_IGNORE", "(1)", "ERRCODES_IGNORE")
    print "      EXTERNAL MPI_COMM_DUP_FN, MPI_COMM_NULL_COPY_FN"
    print "      EXTERNAL MPI_COMM_NULL_DELETE_FN, MPI_TYPE_DUP_FN"
    print "      EXTERNAL MPI_TYPE_NULL_COPY_FN, MPI_TYPE_NULL_DELETE_FN"
    print "      EXTERNAL MPI_WIN_DUP_FN, MPI_WIN_NULL_COPY_FN"
    print "      EXTERNAL MPI_WIN_NULL_DELETE_FN"
    print "      EXTERNAL MPI_DUP_FN, MPI_NULL_COPY_FN, MPI_NULL_DELETE_FN"
    if (interfaces == "")
        print "      DOUBLE PRECISION MPI_WTIME, MPI_WTICK\n      EXTERNAL MPI_WTIME, MPI_WTICK"
}

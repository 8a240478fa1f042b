# The module mpi_f08 but for its calls, from mpi.h and mpif.h (-v mpif=FILE): handles as types of one
# integer with their constants and comparisons, the status, and the places that stand for MPI_BOTTOM and
# the like. It has no calls of its own: handles and statuses are passed by address, and an integer is
# what lies there, as for the calls of mpif.h. -v part=contains writes the comparisons' functions.
# (POSIX awk; run by tests/make/mpi-fortran.mk)

function hexadecimal(text,    i, value)
{
    for (i = 3; i <= length(text); i++)
        value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
    return value
}

function place(name, type, shape)
{
    print "  " type ", bind(C, name=\"mpi_fortran_" tolower(substr(name, 5)) "_\") :: " name shape
}

BEGIN {
    count = split("Comm Datatype Errhandler File Group Info Message Op Request Session Win", types, " ")
    for (i = 1; part == "contains" && i <= count; i++) {
        for (same = 0; same < 2; same++) {
            print "  elemental logical function MPI_" types[i] (same ? "_eq" : "_ne") "(one, other)"
            print "    type(MPI_" types[i] "), intent(in) :: one, other"
            print "    MPI_" types[i] (same ? "_eq" : "_ne") " = one%MPI_VAL " (same ? "==" : "/=") " other%MPI_VAL"
            print "  end function"
        }
    }
    if (part == "contains")
        exit
    print "module mpi_f08"
    print "  implicit none"
    for (i = 1; i <= count; i++) {
        print "  type, bind(C) :: MPI_" types[i]
        print "    integer :: MPI_VAL"
        print "  end type"
    }
    print "  type, bind(C) :: MPI_Status"
    print "    integer :: MPI_SOURCE, MPI_TAG, MPI_ERROR"
    print "    integer, private :: internal(5)"
    print "  end type"
    for (same = 0; same < 2; same++) {
        print "  interface operator(" (same ? "==" : "/=") ")"
        for (i = 1; i <= count; i++)
            print "    module procedure MPI_" types[i] (same ? "_eq" : "_ne")
        print "  end interface"
    }
    # mpi.h says which constants are handles; the others are mpif.h's.
    while ((getline line <header) > 0) {
        split(line, words, /[ \t]+/)
        if (words[1] == "#define" && match(line, /\(\(MPI_[A-Za-z]+\)0x[0-9a-f]+\)/)) {
            text = substr(line, RSTART + 2, RLENGTH - 3)
            at = index(text, ")")
            if (text !~ /^MPI_T_/ && words[2] !~ /\(/)
                handle[words[2]] = substr(text, 1, at - 1)
        } else if (words[1] == "#define" && words[3] in handle) {
            handle[words[2]] = handle[words[3]]
        }
    }
    print "  public"
}

$1 == "INTEGER" && ($2 in handle) { next }
$1 == "PARAMETER" {
    name = substr($2, 2)
    sub(/=.*/, "", name)
    if (name in handle) {
        value = $2
        sub(/^[^=]*=/, "", value)
        sub(/\)$/, "", value)
        print "  type(" handle[name] "), parameter :: " name " = " handle[name] "(" value ")"
        next
    }
}
/COMMON/ { next }
$1 == "INTEGER" && $2 ~ /^MPI_(BOTTOM|IN_PLACE|BUFFER_AUTOMATIC|STATUS_IGNORE|STATUSES_IGNORE|UNWEIGHTED|WEIGHTS_EMPTY|ERRCODES_IGNORE)/ { next }
/MPI_WTICK/ { next }
/^!/ { next }
{ print }

END {
    if (part == "contains")
        exit
    place("MPI_BOTTOM", "integer", "")
    place("MPI_IN_PLACE", "integer", "")
    place("MPI_BUFFER_AUTOMATIC", "integer", "")
    place("MPI_STATUS_IGNORE", "type(MPI_Status)", "")
    place("MPI_STATUSES_IGNORE", "type(MPI_Status)", "(1)")
    place("MPI_UNWEIGHTED", "integer", "(1)")
    place("MPI_WEIGHTS_EMPTY", "integer", "(1)")
    place("MPI_ERRCODES_IGNORE", "integer", "(1)")
}

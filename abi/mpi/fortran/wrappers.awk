# Fortran's bindings, from functions.def; -v output=...:
#   wrappers   C functions mpi_NAME_ as gfortran calls them, which call the C functions
#   interfaces the interface blocks of the module mpi, or with -v f08=1 of mpi_f08: the same calls, with
#              handles and statuses of derived types (one integer, and eight) and an optional ierror
# -v implemented=FILE: the names (MPI_...) that the library has; others are left out, so that a program that uses one does not link.
# (POSIX awk; run by tests/make/mpi-fortran.mk)
#
# A handle is the same number in C and Fortran for constants, and MPI_X_c2f's for objects. What a
# simple rule cannot do (callbacks, attributes, addresses as values) is written by hand in fortran.c.

BEGIN {
    split("comm=Comm datatype=Type op=Op group=Group win=Win info=Info request=Request file=File " \
          "errhandler=Errhandler session=Session message=Message", pairs, " ")
    for (i in pairs) {
        split(pairs[i], pair, "=")
        class[pair[1]] = pair[2]
        type[pair[1]] = "MPI_" (pair[2] == "Type" ? "Datatype" : pair[2])
    }
    split("int=int constint=int logical=int index=int count=int intaint=int aint=MPI_Aint " \
          "aintcount=MPI_Aint offset=MPI_Offset bigcount=MPI_Count", pairs, " ")
    for (i in pairs) {
        split(pairs[i], pair, "=")
        number[pair[1]] = pair[2]
    }
    split("MPI_Aint=MPI_ADDRESS_KIND MPI_Offset=MPI_OFFSET_KIND MPI_Count=MPI_COUNT_KIND", pairs, " ")
    for (i in pairs) {
        split(pairs[i], pair, "=")
        kind_of[pair[1]] = pair[2]
    }
    # by hand in fortran.c, with interfaces from here
    split("Init Init_thread Get_address Buffer_attach Buffer_detach Comm_get_attr " \
          "Type_get_attr Win_get_attr Comm_set_attr Type_set_attr Win_set_attr Info_get Info_get_string", hand, " ")
    for (i in hand)
        by_hand[hand[i]] = 1
    # C's alone
    split("Alloc_mem Free_mem Pcontrol Attr_get Attr_put Keyval_create Win_shared_query Info_create_env " \
          "Comm_attach_buffer Comm_detach_buffer Session_attach_buffer Session_detach_buffer", c_only, " ")
    for (i in c_only)
        left_out[c_only[i]] = 1
    # how long arrays of handles are, where the first count of the call does not say it
    length_of["Alltoallw"] = length_of["Ialltoallw"] = length_of["Alltoallw_init"] = "fortran_targets(*comm)"
    length_of["Neighbor_alltoallw"] = length_of["Ineighbor_alltoallw"] = "neighbours"
    length_of["Neighbor_alltoallw_init"] = "neighbours"
    length_of["Type_get_contents"] = "*max_datatypes"
    while ((getline line <implemented) > 0)
        has[line] = 1
    if (output == "wrappers") {
        print "/* Made from functions.def: Fortran's calls. */"
        print "#include \"abi/mpi/fortran/fortran.h\""
    }
}

function simple(    i, kind)
{
    if ($1 ~ /=/ || $1 ~ /^T_/ || $1 ~ /^Status_[cf]/)
        return 0
    for (i = 2; i <= NF; i++) {
        kind = $i
        sub(/:.*/, "", kind)
        base = kind
        sub(/[*@[].*$/, "", base)
        if (!(base in class) && !(base in number) && base !~ /^(buf|cbuf|string|text|status|triple)$/)
            return 0
        if (base ~ /^(strings|argv)/)
            return 0
    }
    return 1
}

# One argument: the parameter, what is done before, what is passed, what is done after.
function wrap(kind, name, count,    base)
{
    base = kind
    sub(/[*@[].*$/, "", base)
    parameter = "MPI_Fint *" name
    before = after = ""
    passed = name
    hidden = ""
    if (base == "buf" || base == "cbuf") {
        parameter = "void *" name
        passed = "fortran_buffer(" name ")"
    } else if (base == "triple") {
        parameter = "MPI_Fint (*" name ")[3]"
    } else if (base == "string") {
        parameter = "const char *" name
        # of an info's strings the blanks before are not part either
        before = "    char *c_" name " = fortran_" (name ~ /^(key|value)$/ ? "key(" : "string(") name ", " name "_length);\n"
        passed = "c_" name
        after = "    free(c_" name ");\n"
        hidden = ", size_t " name "_length"
    } else if (base == "text") {
        parameter = "char *" name
        before = "    char c_" name "[FORTRAN_TEXT] = \"\";\n"
        passed = "c_" name
        after = "    fortran_text(" name ", " name "_length, c_" name ");\n"
        hidden = ", size_t " name "_length"
    } else if (base == "status") {
        passed = kind ~ /\[/ ? "fortran_statuses(" name ")" : "fortran_status(" name ")"
    } else if (base in class) {
        if (kind == base) {
            passed = "PMPI_" class[base] "_f2c(*" name ")"
        } else if (kind == base "*") {
            before = "    " type[base] " c_" name " = PMPI_" class[base] "_f2c(*" name ");\n"
            passed = "&c_" name
            after = "    *" name " = PMPI_" class[base] "_c2f(c_" name ");\n"
        } else {
            before = "    " type[base] " *c_" name " = fortran_handles(" count ", " name ", FORTRAN_" toupper(base) ");\n"
            passed = "c_" name
            if (kind ~ /\*$/)
                after = "    fortran_numbers(" count ", c_" name ", " name ", *ierror);\n"
            after = after "    free(c_" name ");\n"
        }
    } else {
        parameter = number[base] " *" name
        if (kind == base)
            passed = "*" name
        if (base == "logical" && kind == "logical*") {
            before = "    int c_" name " = 0;\n"
            passed = "&c_" name
            after = "    *" name " = c_" name " != 0;\n"
        } else if (base == "index" && kind == "index*") {
            before = "    int c_" name " = MPI_UNDEFINED;\n"
            passed = "&c_" name
            after = "    *" name " = c_" name " == MPI_UNDEFINED ? c_" name " : c_" name " + 1;\n"
        } else if (base == "index") {
            after = "    for (int i = 0; *ierror == MPI_SUCCESS && *outcount != MPI_UNDEFINED && i < *outcount; i++)\n" \
                    "        " name "[i]++;\n"
        } else if (name ~ /weights$/) {
            passed = "fortran_weights(" name ")"
        }
    }
}

function wrapper(name,    i, parts, list, hiddens, befores, call, afters, count, lower)
{
    lower = tolower(name)
    count = "*" substr($2, index($2, ":") + 1)
    if (name in length_of)
        count = length_of[name]
    for (i = 2; i <= NF; i++) {
        split($i, parts, ":")
        wrap(parts[1], parts[2], count == "neighbours" ? "fortran_neighbours(*comm, " (parts[2] ~ /^recv/) ")" : count)
        list = list parameter ", "
        hiddens = hiddens hidden
        befores = befores before
        call = call (i > 2 ? ", " : "") passed
        afters = afters after
    }
    print "\nFORTRAN_PROFILED(" lower ")"
    print "void pmpi_" lower "_(" list "MPI_Fint *ierror" hiddens ")\n{"
    print "    FORTRAN_OPTIONAL(ierror);"
    printf "%s", befores
    print "\n    *ierror = MPI_" name "(" call ");"
    printf "%s", afters
    print "}"
}

# --- Interfaces ---------------------------------------------------------------------------------------

function declare(kind, name,    base, text)
{
    base = kind
    sub(/[*@[].*$/, "", base)
    if (base == "buf" || base == "cbuf")
        return "      !GCC$ ATTRIBUTES NO_ARG_CHECK :: " name "\n      type(*), dimension(*) :: " name
    if (base == "string")
        return "      character(len=*), intent(in) :: " name
    if (base == "text")
        return "      character(len=*), intent(out) :: " name
    if (base == "triple")
        return "      integer :: " name "(3,*)"
    if (base ~ /_function$/)
        return "      external :: " name
    if (f08 && base == "status")
        return "      type(MPI_Status) :: " name (kind ~ /\[/ ? "(*)" : "")
    if (f08 && base in class)
        return "      type(" type[base] ")" (kind == base ? ", intent(in)" : "") " :: " name (kind ~ /\[/ ? "(*)" : "")
    if (base == "status")
        return "      integer :: " name (kind ~ /\[/ ? "(MPI_STATUS_SIZE,*)" : "(MPI_STATUS_SIZE)")
    text = "      integer"
    if (base == "logical")
        text = "      logical"
    else if ((base in number) && number[base] != "int")
        text = "      integer(kind=" kind_of[number[base]] ")"
    return text " :: " name (kind ~ /\[/ ? "(*)" : "")
}

# Free form allows 132 characters in a line.
function fold(text,    out)
{
    while (length(text) > 120) {
        cut = 120
        while (substr(text, cut, 1) != ",")
            cut--
        out = out substr(text, 1, cut) " &\n        "
        text = substr(text, cut + 1)
    }
    return out text
}

function interface(name,    i, parts, names, declarations)
{
    for (i = 2; i <= NF; i++) {
        split($i, parts, ":")
        if (parts[2] == "extra_state" || name ~ /_[gs]et_attr$/ && parts[2] == "attribute_val" || name == "Alloc_mem" && parts[2] == "baseptr")
            parts[1] = "aint"
        if (name ~ /^Init/ && parts[2] ~ /^arg[cv]$/)
            continue
        names = names (names == "" ? "" : ", ") parts[2]
        declarations = declarations declare(parts[1], parts[2]) "\n"
    }
    names = names (names == "" ? "" : ", ") "ierror"
    print "    " fold("subroutine MPI_" name "(" names ")")
    print "      import"
    printf "%s", declarations
    print "      integer, " (f08 ? "optional, " : "") "intent(out) :: ierror"
    print "    end subroutine"
}

/^#/ || NF == 0 { next }
{
    name = $1
    sub(/\(_c\)$/, "", name)
    sub(/\(_c\)/, "", $1)
    if (!(("MPI_" name) in has) || name in left_out)
        next
    if (name in by_hand) {
        if (output == "interfaces")
            interface(name)
    } else if (f08 && name ~ /^Op_create$|_create_keyval$|_create_errhandler$/) {
        interface(name)
    } else if (simple()) {
        if (output == "interfaces")
            interface(name)
        else
            wrapper(name)
    }
}

# An address as a value, for a function that need not be there.
END {
    if (("MPI_Alloc_mem" in has) && output == "wrappers")
        print "\nFORTRAN_PROFILED(alloc_mem)\n" \
              "void pmpi_alloc_mem_(MPI_Aint *size, MPI_Fint *info, MPI_Aint *baseptr, MPI_Fint *ierror)\n{\n" \
              "    FORTRAN_OPTIONAL(ierror);\n    *ierror = MPI_Alloc_mem(*size, PMPI_Info_f2c(*info), baseptr);\n}"
    if (("MPI_Free_mem" in has) && output == "wrappers")
        print "\nFORTRAN_PROFILED(free_mem)\nvoid pmpi_free_mem_(void *base, MPI_Fint *ierror)\n{\n    FORTRAN_OPTIONAL(ierror);\n" \
              "    *ierror = MPI_Free_mem(base);\n}"
}

# Reads functions.def and writes, by -v output=...:
#   prototypes   C prototypes of all functions, as MPI_ and as PMPI_
#   names        the names alone, one a line
# (POSIX awk; run by tests/make/mpi.mk)

BEGIN {
    split("comm=MPI_Comm datatype=MPI_Datatype op=MPI_Op group=MPI_Group win=MPI_Win info=MPI_Info " \
          "request=MPI_Request file=MPI_File errhandler=MPI_Errhandler session=MPI_Session " \
          "message=MPI_Message status=MPI_Status f08_status=MPI_F08_status " \
          "int=int constint=int logical=int index=int fint=MPI_Fint double=double " \
          "aint=MPI_Aint offset=MPI_Offset bigcount=MPI_Count text=char argv=char** strings=char* stringss=char** " \
          "t_enum=MPI_T_enum t_cvar_handle=MPI_T_cvar_handle t_pvar_handle=MPI_T_pvar_handle " \
          "t_pvar_session=MPI_T_pvar_session t_event_registration=MPI_T_event_registration " \
          "t_event_instance=MPI_T_event_instance t_cb_safety=MPI_T_cb_safety " \
          "t_source_order=MPI_T_source_order", pairs, " ")
    for (i in pairs) {
        split(pairs[i], pair, "=")
        type[pair[1]] = pair[2]
    }
    if (output != "prototypes" && output != "names")
        fail("no such output: \"" output "\"")
}

function fail(text)
{
    print "functions.awk: " text >"/dev/stderr"
    failed = 1
    exit 1
}

# The C type of one value of a kind.
function value_type(kind, large)
{
    if (kind == "count")
        return large ? "MPI_Count" : "int"
    if (kind == "intaint")
        return large ? "MPI_Aint" : "int"
    if (kind == "aintcount")
        return large ? "MPI_Count" : "MPI_Aint"
    if (!(kind in type))
        fail("line " FNR ": no kind \"" kind "\"")
    return type[kind]
}

function function_type(kind, large)
{
    if (kind ~ /^t_/)
        return "MPI_T_" substr(kind, 3) " *"
    if (large && (kind == "user_function" || kind == "conversion_function"))
        kind = kind "_c"
    if (kind == "conversion_function" || kind == "conversion_function_c")
        kind = "datarep_" kind
    return "MPI_" toupper(substr(kind, 1, 1)) substr(kind, 2) " *"
}

function argument(text, large,    parts, kind, name)
{
    if (text == "...")
        return text
    if (split(text, parts, ":") != 2)
        fail("line " FNR ": not KIND:ARGUMENT: \"" text "\"")
    kind = parts[1]
    name = parts[2]
    if (kind == "buf")
        return "void *" name
    if (kind == "cbuf")
        return "const void *" name
    if (kind == "string")
        return "const char *" name
    if (kind == "text")
        return "char *" name
    if (kind == "constint")
        return "const int " name
    if (kind == "triple[]*")
        return "int " name "[][3]"
    if (kind == "strings" || kind == "stringss")
        return (kind == "strings" ? "char *" : "char **") name "[]"
    if (kind ~ /_function$/)
        return function_type(kind, large) name
    if (sub(/\[\]\*$/, "", kind))
        return value_type(kind, large) " " name "[]"
    if (sub(/\[\]$/, "", kind)) # not "name[]": MPI_UNWEIGHTED and the like are no arrays
        return "const " value_type(kind, large) " *" name
    if (sub(/\*$/, "", kind))
        return value_type(kind, large) " *" name
    if (sub(/@$/, "", kind))
        return "const " value_type(kind, large) " *" name
    return value_type(kind, large) " " name
}

function prototype(prefix, name, result, large,    i, list)
{
    for (i = 2; i <= NF; i++)
        list = list (i > 2 ? ", " : "") argument($i, large)
    return value_type(result, large) " " prefix name (large ? "_c" : "") "(" (list == "" ? "void" : list) ");"
}

/^#/ || NF == 0 { next }
{
    name = $1
    result = "int"
    if (index(name, "=")) {
        result = substr(name, index(name, "=") + 1)
        sub(/=.*/, "", name)
    }
    large = sub(/\(_c\)$/, "", name)
    if (name in seen)
        fail("line " FNR ": " name " stands twice")
    seen[name] = 1
    for (size = 0; size <= large; size++) {
        if (output == "names") {
            print "MPI_" name (size ? "_c" : "")
        } else {
            print prototype("MPI_", name, result, size)
            print prototype("PMPI_", name, result, size)
        }
    }
}

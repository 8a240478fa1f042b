/* The profiling interface (MPI: Profiling Interface). Every function of the library is defined
 * under its PMPI_ name, and MPI_PROFILED(name) beside the definition makes the MPI_ name a weak
 * alias of it: a program or a tool may bring its own MPI_ function and call the PMPI_ one. Inside
 * the library, functions call each other by the PMPI_ name. */
#ifndef ABI_MPI_PROFILE_H
#define ABI_MPI_PROFILE_H

#define MPI_PRAGMA(text) _Pragma(#text)
#define MPI_ALIAS(weak_name, name) MPI_PRAGMA(weak weak_name = name)
#define MPI_PROFILED(name) MPI_ALIAS(MPI_##name, PMPI_##name)

#endif

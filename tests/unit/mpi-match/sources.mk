UNIT_mpi_match_SOURCES := abi/mpi/match.c

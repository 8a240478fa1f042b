# Files need none of what this suite has, and a folder: tests/machine/mpi_io.c.
UNIT_mpi_job_SOURCES := $(filter-out abi/mpi/file%,$(wildcard abi/mpi/*.c)) $(wildcard abi/atoll/*.c) \
        shm/lagoon.c shm/heap.c shm/ring.c tests/unit/mpi-data/model.c tests/unit/shm/leaks.c

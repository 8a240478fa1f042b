UNIT_mpi_collectives_SOURCES := $(filter-out abi/mpi/file%,$(wildcard abi/mpi/*.c)) $(wildcard abi/atoll/*.c) \
        shm/lagoon.c shm/heap.c shm/ring.c tests/unit/mpi-job/fake.c tests/unit/shm/leaks.c

UNIT_atoll_SOURCES := $(wildcard abi/atoll/*.c) shm/lagoon.c shm/heap.c shm/ring.c
UNIT_atoll_TSAN := 1

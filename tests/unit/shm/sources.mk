UNIT_shm_SOURCES := shm/lagoon.c shm/log.c shm/heap.c shm/ring.c
UNIT_shm_TSAN := 1

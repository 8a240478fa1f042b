UNIT_ipi_msg_SOURCES := shm/lagoon.c shm/heap.c shm/ring.c ipi-msg/endpoint.c
UNIT_ipi_msg_TSAN := 1

UNIT_message_SOURCES := $(filter-out instance/message/calls.c instance/message/file.c,$(wildcard instance/message/*.c)) \
        ipi-msg/endpoint.c shm/lagoon.c shm/heap.c shm/ring.c

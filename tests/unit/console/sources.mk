UNIT_console_SOURCES := instance/host.c instance/fs/console.c instance/fs/console_input.c \
        instance/fs/console_file.c instance/fs/file.c instance/fs/file_locks.c instance/fs/lock.c shm/lagoon.c shm/ring.c shm/heap.c shm/log.c \
        ipi-msg/endpoint.c
UNIT_console_TSAN := 1

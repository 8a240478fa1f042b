UNIT_sched_SOURCES := $(wildcard instance/sched/*.c) instance/syscall/futex.c \
        instance/syscall/robust.c instance/syscall/time.c
UNIT_sched_TSAN := 1

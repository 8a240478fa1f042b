UNIT_syscall_SOURCES := instance/syscall/syscall.c instance/syscall/signal.c \
        instance/syscall/signal_frame.c instance/syscall/signal_calls.c $(wildcard instance/syscall/trace*.c) \
        instance/format.c

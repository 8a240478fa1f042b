# Running a machine from the host's side, with processes of the test's own in the machine's place.
UNIT_proxy_SOURCES := shm/lagoon.c shm/heap.c shm/ring.c shm/log.c ipi-msg/endpoint.c \
    proxy/clock.c proxy/events.c proxy/lines.c proxy/process.c proxy/ivshmem.c \
    proxy/lagoon_host.c proxy/qemu.c proxy/hosted.c proxy/hosted_record.c proxy/qemu_command.c proxy/qemu_debug.c proxy/output.c \
    proxy/input.c proxy/io.c proxy/io_file.c proxy/share.c proxy/share_pool.c proxy/share_lock.c proxy/symbols.c proxy/crash.c proxy/unwind.c proxy/summary.c proxy/summary_json.c \
    proxy/machine.c proxy/machine_serve.c proxy/machine_stop.c proxy/machine_hung.c proxy/image.c proxy/file.c \
    proxy/elf.c proxy/config.c proxy/config_parse.c proxy/config_check.c proxy/config_cores.c proxy/config_jobs.c
UNIT_proxy_LIBS := -lelf -ldw -lcjson -lyaml

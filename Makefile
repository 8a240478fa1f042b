# Atoll. `make run` shows it, `make test` tests it; `make help` lists the rest.
# Needs nothing but Debian 12: what is missing is installed by name (tests/make/setup).

BUILD := build
PREFIX ?= /usr/local
DESTDIR ?=
CC := gcc
NASM := nasm
# V=1 shows the commands themselves.
Q := $(if $(filter 1,$(V)),,@)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

include tests/make/setup.mk

# --- Flags ---------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wundef \
        -Wpointer-arith -Wwrite-strings -Wvla
COMMON := -std=gnu11 -g -O2 -I. $(WARN) -MMD -MP
# Where <mpi.h> is: adds to COMMON, so it stands before what is made of it.
include tests/make/mpi-header.mk
# Freestanding, no vector registers (they are the program's), frame pointers for backtraces.
FREESTANDING := $(COMMON) -ffreestanding -fno-stack-protector -fno-omit-frame-pointer \
        -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie -fcf-protection=none \
        -fno-asynchronous-unwind-tables -fno-strict-aliasing -ffunction-sections
PC_INCLUDE := -Iinstance/platform/pc/include
KERNEL_CFLAGS := $(FREESTANDING) -mcmodel=kernel $(PC_INCLUDE)
# The same kernel as a process: code that reaches all of itself relative to RIP, wherever it is linked.
HOSTED_CFLAGS := $(filter-out -fno-pic -fno-pie,$(FREESTANDING)) -fpie -mcmodel=small \
        -Iinstance/platform/hosted/include -include platform/hidden.h
# SANITIZE=1 (make test-sanitize): undefined behaviour in the hosted kernel is a panic.
HOSTED_CFLAGS += $(if $(SANITIZE),-fsanitize=undefined)
LOADER_CFLAGS := $(FREESTANDING) -mcmodel=small
HOST_CFLAGS := $(COMMON) -D_GNU_SOURCE -fno-omit-frame-pointer
PROXY_LIBS := -lelf -ldw -lyaml -lcjson -pthread -lm
BARE_LDFLAGS := -nostdlib -static -no-pie -Wl,--gc-sections -Wl,-z,max-page-size=4096 \
        -Wl,--build-id=none -Wl,-z,noexecstack
NASM_FLAGS := -f elf64 -g -F dwarf -I. -I$(BUILD)/ -Wall

# --- Sources -------------------------------------------------------------------------------------
SHARED_C := $(wildcard shm/*.c ipi-msg/*.c abi/*.c)
COMMON_C := $(SHARED_C) $(wildcard abi/freestanding/*.c) $(wildcard instance/*.c instance/sched/*.c instance/mm/*.c instance/fs/*.c \
            instance/message/*.c \
            instance/syscall/*.c instance/arch/x86/*.c)
KERNEL_C := $(COMMON_C) $(wildcard instance/platform/pc/*.c)
KERNEL_ASM := $(wildcard instance/arch/x86/*.asm instance/platform/pc/*.asm)
HOSTED_C := $(COMMON_C) $(wildcard instance/platform/hosted/*.c) \
            $(if $(SANITIZE),instance/platform/hosted/sanitize/undefined.c)
HOSTED_ASM := $(wildcard instance/arch/x86/*.asm instance/platform/hosted/*.asm)
LOADER_C := $(wildcard boot/*.c abi/freestanding/*.c) shm/lagoon.c
LOADER_ASM := $(wildcard boot/*.asm)
PROXY_C := $(SHARED_C) $(wildcard proxy/*.c)

objects = $(patsubst %,$(BUILD)/$(1)/%.o,$(2))
KERNEL_O := $(call objects,kernel,$(KERNEL_C) $(KERNEL_ASM))
HOSTED_O := $(call objects,hosted,$(HOSTED_C) $(HOSTED_ASM))
LOADER_O := $(call objects,loader,$(LOADER_C) $(LOADER_ASM))
PROXY_O := $(call objects,host,$(PROXY_C))

ATOLL := $(BUILD)/atoll $(BUILD)/atoll-kernel.elf $(BUILD)/atoll-loader.elf \
         $(BUILD)/atoll-kernel-hosted.elf

all: $(ATOLL) apps library mpi

# --- Kernel, loader, command -----------------------------------------------------------------------
$(BUILD)/kernel/%.c.o: %.c $(BUILD)/flags/kernel | tools
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(KERNEL_CFLAGS) -c $< -o $@
$(BUILD)/hosted/%.c.o: %.c $(BUILD)/flags/hosted | tools
	@mkdir -p $(@D)
	@echo "  CC      $< (hosted)"
	$(Q)$(CC) $(HOSTED_CFLAGS) -c $< -o $@
$(BUILD)/loader/%.c.o: %.c $(BUILD)/flags/loader | tools
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LOADER_CFLAGS) -c $< -o $@
$(BUILD)/host/%.c.o: %.c $(BUILD)/flags/host | tools
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(HOST_CFLAGS) -c $< -o $@
$(BUILD)/kernel/%.asm.o: %.asm $(BUILD)/flags/assembler | tools
	@mkdir -p $(@D)
	@echo "  NASM    $<"
	$(Q)$(NASM) $(NASM_FLAGS) -MD $(@:.o=.d) -o $@ $<
$(BUILD)/hosted/%.asm.o: %.asm $(BUILD)/flags/assembler | tools
	@mkdir -p $(@D)
	@echo "  NASM    $< (hosted)"
	$(Q)$(NASM) $(NASM_FLAGS) -MD $(@:.o=.d) -o $@ $<
$(BUILD)/loader/%.asm.o: %.asm $(BUILD)/flags/assembler | tools
	@mkdir -p $(@D)
	@echo "  NASM    $<"
	$(Q)$(NASM) $(NASM_FLAGS) -MD $(@:.o=.d) -o $@ $<

# What is mapped into every program; both kernels carry it.
VDSO_CFLAGS := $(filter-out -fno-pic -fno-pie -mno-red-zone,$(FREESTANDING)) -fPIC
$(BUILD)/vdso/vdso.so: instance/vdso/vdso.c instance/vdso/vdso.h instance/vdso/vdso.ld $(BUILD)/flags/kernel | tools
	@mkdir -p $(@D)
	@echo "  VDSO    $@"
	$(Q)$(CC) $(filter-out -MMD -MP -g,$(VDSO_CFLAGS)) -shared -nostdlib -Wl,-soname=linux-vdso.so.1 \
	    -Wl,--hash-style=both -Wl,--build-id=none -Wl,-Bsymbolic -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
	    -Wl,-T,instance/vdso/vdso.ld -o $@ $<
$(BUILD)/kernel/instance/arch/x86/vdso_image.asm.o $(BUILD)/hosted/instance/arch/x86/vdso_image.asm.o: $(BUILD)/vdso/vdso.so

$(BUILD)/atoll-kernel.elf: $(KERNEL_O) instance/platform/pc/kernel.ld $(BUILD)/flags/link
	@echo "  LINK    $@"
	$(Q)$(CC) $(BARE_LDFLAGS) -T instance/platform/pc/kernel.ld -o $@ $(KERNEL_O)
$(BUILD)/atoll-kernel-hosted.elf: $(HOSTED_O) instance/platform/hosted/kernel.ld $(BUILD)/flags/link
	@echo "  LINK    $@"
	$(Q)$(CC) $(BARE_LDFLAGS) -T instance/platform/hosted/kernel.ld -o $@ $(HOSTED_O)
$(BUILD)/atoll-loader.elf: $(LOADER_O) boot/loader.ld $(BUILD)/flags/link
	@echo "  LINK    $@"
	$(Q)$(CC) $(BARE_LDFLAGS) -T boot/loader.ld -o $@ $(LOADER_O)
$(BUILD)/atoll: $(PROXY_O) $(BUILD)/flags/link
	@echo "  LINK    $@"
	$(Q)$(CC) -o $@ $(PROXY_O) $(PROXY_LIBS)

# Objects depend on the flags they were made with: a file for each set, rewritten when they change.
FLAGS_kernel = $(CC) $(KERNEL_CFLAGS)
FLAGS_hosted = $(CC) $(HOSTED_CFLAGS)
FLAGS_loader = $(CC) $(LOADER_CFLAGS)
FLAGS_host = $(CC) $(HOST_CFLAGS)
FLAGS_assembler = $(NASM) $(NASM_FLAGS)
FLAGS_link = $(BARE_LDFLAGS) / $(PROXY_LIBS) / $(KERNEL_O) / $(HOSTED_O) / $(LOADER_O) / $(PROXY_O)
FLAGS_program = $(CC) $(PROGRAM_CFLAGS) $(PROGRAM_LIBS)
FLAGS_unit = $(CC) $(UNIT_CFLAGS)
$(BUILD)/flags/%: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS_$*)' | cmp -s - $@ || echo '$(FLAGS_$*)' >$@
.PRECIOUS: $(BUILD)/flags/%

include tests/make/library.mk
include tests/make/mpi.mk
include tests/make/apps.mk
include tests/make/mpi-apps.mk
include tests/make/runtimes.mk
include tests/make/unit.mk
include tests/make/check.mk
include tests/make/bench.mk

# --- Installing ------------------------------------------------------------------------------------
# The command looks for kernel and loader in its own folder, then in ../lib/atoll beside it.
install: $(ATOLL) library mpi
	install -D -m 755 $(BUILD)/atoll $(DESTDIR)$(PREFIX)/bin/atoll
	install -D -m 644 $(BUILD)/atoll-kernel.elf $(DESTDIR)$(PREFIX)/lib/atoll/atoll-kernel.elf
	install -D -m 755 $(BUILD)/atoll-kernel-hosted.elf $(DESTDIR)$(PREFIX)/lib/atoll/atoll-kernel-hosted.elf
	install -D -m 644 $(BUILD)/atoll-loader.elf $(DESTDIR)$(PREFIX)/lib/atoll/atoll-loader.elf
	install -D -m 644 proxy/atoll.1 $(DESTDIR)$(PREFIX)/share/man/man1/atoll.1
	install -D -m 644 $(LIBATOLL) $(DESTDIR)$(PREFIX)/lib/atoll/libatoll.a
	install -D -m 644 $(LIBMPI) $(DESTDIR)$(PREFIX)/lib/atoll/libmpi.a
	install -D -m 644 abi/include/atoll.h $(DESTDIR)$(PREFIX)/include/atoll/atoll.h
	install -m 644 $(MPI_HEADERS) $(DESTDIR)$(PREFIX)/include/atoll
	install -m 755 $(MPI_WRAPPERS) $(DESTDIR)$(PREFIX)/bin
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/lib/atoll/libatoll.a $(DESTDIR)$(PREFIX)/lib/atoll/libmpi.a
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(MPI_WRAPPERS)))
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/include/atoll/,atoll.h mpi.h mpi_functions.h)
	if [ -d $(DESTDIR)$(PREFIX)/include/atoll ]; then rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/include/atoll; fi
	rm -f $(DESTDIR)$(PREFIX)/bin/atoll $(DESTDIR)$(PREFIX)/share/man/man1/atoll.1
	rm -f $(DESTDIR)$(PREFIX)/lib/atoll/atoll-kernel-hosted.elf
	rm -f $(DESTDIR)$(PREFIX)/lib/atoll/atoll-kernel.elf $(DESTDIR)$(PREFIX)/lib/atoll/atoll-loader.elf
	if [ -d $(DESTDIR)$(PREFIX)/lib/atoll ]; then rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/lib/atoll; fi

clean:
	rm -rf $(BUILD)

help:
	@echo 'make             build everything into $(BUILD)/'
	@echo 'make run         one machine of four cores with three instances, on pc and on hosted (apps/demo.yaml)'
	@echo 'make test        all tests: of the parts (make unit) and of whole machines (make machine)'
	@echo 'make unit-SUITE  the tests of one part, a folder of tests/unit/'
	@echo 'make test-sanitize  the machine tests that can run on hosted, with a kernel that panics at'
	@echo '                 undefined behaviour (UBSan), built into BUILD/sanitize; ASan and TSan: make unit'
	@echo 'make check       formatter, compiler warnings, clang-tidy, cppcheck, includes'
	@echo 'make format      put all C files into the project'"'"'s format'
	@echo 'make rayon       apps/rayon: Rust'"'"'s work-stealing library as a demo'
	@echo 'make test-mpi-conformance  the tests in MPICH'"'"'s source package, against libmpi.a'
	@echo 'make bench-boot  how long a machine takes to boot, for 1 to 16 instances'
	@echo 'make bench-msg   what messages between instances cost, beside the floor'
	@echo 'make bench-abi   what system calls, memory, threads, files and computing cost, beside Linux'
	@echo 'make bench-mpi   MPI beside OpenMPI and MPICH, on the same two cores'
	@echo 'make install     into PREFIX (/usr/local), below DESTDIR; make uninstall takes it away'
	@echo 'make clean       remove $(BUILD)/'
	@echo
	@echo 'Variables: V=1 shows commands, BUILD=folder, PREFIX=folder, DESTDIR=folder,'
	@echo '           SETUP=no installs nothing'

-include $(shell find $(BUILD) \( -name sources -o -name rayon -o -name go \) -prune -o -name '*.d' -print 2>/dev/null)
FORCE:
.PHONY: all install uninstall clean help FORCE

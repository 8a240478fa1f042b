# Atoll. `make run` shows it, `make test` tests it; `make help` lists the rest.
# Needs nothing but Debian 12: what is missing is installed by name (tests/setup).

BUILD := build
PREFIX ?= /usr/local
CC := gcc
NASM := nasm
Q := @

include tests/make/setup.mk

# --- Flags ---------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wundef \
        -Wpointer-arith -Wwrite-strings -Wvla
COMMON := -std=gnu11 -g -O2 -I. -I$(BUILD)/include $(WARN) -MMD -MP
# Freestanding, no vector registers (they are the program's), frame pointers for backtraces.
FREESTANDING := $(COMMON) -ffreestanding -fno-stack-protector -fno-omit-frame-pointer \
        -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie -fcf-protection=none \
        -fno-asynchronous-unwind-tables -fno-strict-aliasing -ffunction-sections
KERNEL_CFLAGS := $(FREESTANDING) -mcmodel=kernel
LOADER_CFLAGS := $(FREESTANDING) -mcmodel=small
HOST_CFLAGS := $(COMMON) -D_GNU_SOURCE -fno-omit-frame-pointer
PROXY_LIBS := -lelf -ldw -lyaml -lcjson

# --- Sources -------------------------------------------------------------------------------------
SHARED_C := $(wildcard shm/*.c ipi-msg/*.c abi/*.c)
KERNEL_C := $(SHARED_C) $(wildcard instance/*.c instance/sched/*.c instance/mm/*.c instance/fs/*.c \
            instance/syscall/*.c instance/arch/x86/*.c instance/platform/pc/*.c)
KERNEL_ASM := $(wildcard instance/arch/x86/*.asm instance/platform/pc/*.asm)
LOADER_C := $(wildcard boot/*.c) shm/lagoon.c
LOADER_ASM := $(wildcard boot/*.asm)
PROXY_C := $(SHARED_C) $(wildcard proxy/*.c)

objects = $(patsubst %,$(BUILD)/$(1)/%.o,$(2))
KERNEL_O := $(call objects,kernel,$(KERNEL_C) $(KERNEL_ASM))
LOADER_O := $(call objects,loader,$(LOADER_C) $(LOADER_ASM))
PROXY_O := $(call objects,host,$(PROXY_C))

all: $(BUILD)/atoll $(BUILD)/atoll-kernel.elf $(BUILD)/atoll-loader.elf apps

# --- Kernel, loader, command -----------------------------------------------------------------------
$(BUILD)/kernel/%.c.o: %.c | tools
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_CFLAGS) -c $< -o $@
$(BUILD)/loader/%.c.o: %.c | tools
	@mkdir -p $(@D)
	$(Q)$(CC) $(LOADER_CFLAGS) -c $< -o $@
$(BUILD)/host/%.c.o: %.c | tools
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -c $< -o $@
$(BUILD)/kernel/%.asm.o $(BUILD)/loader/%.asm.o: %.asm | tools
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf -I. -Wall -MD $(@:.o=.d) -o $@ $<

$(BUILD)/atoll-kernel.elf: $(KERNEL_O) instance/platform/pc/kernel.ld
	@echo "  LINK    $@"
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,--gc-sections -Wl,-z,max-page-size=4096 -Wl,--build-id=none \
	    -Wl,-z,noexecstack -T instance/platform/pc/kernel.ld -o $@ $(KERNEL_O)
$(BUILD)/atoll-loader.elf: $(LOADER_O) boot/loader.ld
	@echo "  LINK    $@"
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,--gc-sections -Wl,-z,max-page-size=4096 -Wl,--build-id=none \
	    -Wl,-z,noexecstack -T boot/loader.ld -o $@ $(LOADER_O)
$(BUILD)/atoll: $(PROXY_O)
	@echo "  LINK    $@"
	$(Q)$(CC) -o $@ $(PROXY_O) $(PROXY_LIBS)

include tests/make/apps.mk
include tests/make/unit.mk
include tests/make/check.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
clean:
	rm -rf $(BUILD)
.PHONY: all clean

# Copies between kernel and program, with real page faults: the assembly is the kernel's own.
UNIT_user_SOURCES := instance/mm/user.c
$(BUILD)/unit/user: $(BUILD)/kernel/instance/arch/x86/user_copy.asm.o

# Memory: page frames, heap, kernel stacks, address space, over the real page tables of platform pc.
UNIT_mm_SOURCES := $(filter-out instance/mm/user.c,$(wildcard instance/mm/*.c)) \
        instance/arch/x86/paging.c
UNIT_mm_LIBS := -Wl,--wrap=frame_alloc -Wl,--wrap=kmalloc -Wl,--wrap=kzalloc
UNIT_mm_TSAN := 1

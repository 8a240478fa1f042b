# libatoll.a, which programs of any C library link: one object with nothing visible but atoll_*.

LIBRARY_C := $(wildcard abi/atoll/*.c) shm/ring.c shm/lagoon.c
LIBRARY_CFLAGS := $(COMMON) -fPIC -fno-strict-aliasing -flto -fno-fat-lto-objects \
        -U_FORTIFY_SOURCE -fno-stack-protector -ffunction-sections
LIBRARY_O := $(call objects,library,$(LIBRARY_C))
LIBATOLL := $(BUILD)/lib/libatoll.a
FLAGS_library = $(CC) $(LIBRARY_CFLAGS) $(LIBRARY_O)

$(BUILD)/library/%.c.o: %.c $(BUILD)/flags/library | tools
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIBRARY_CFLAGS) -c $< -o $@
$(LIBATOLL): $(LIBRARY_O) $(BUILD)/flags/library
	@mkdir -p $(@D)
	@echo "  AR      $@"
	$(Q)$(CC) -O2 -fPIC -r -flto -flinker-output=nolto-rel -nostdlib -o $(BUILD)/library/atoll.o $(LIBRARY_O)
	$(Q)objcopy --wildcard --keep-global-symbol='atoll_*' $(BUILD)/library/atoll.o
	@rm -f $@
	$(Q)ar crs $@ $(BUILD)/library/atoll.o
library: $(LIBATOLL)
.PHONY: library

# Measurements. Each prints a table that names the machine it ran on; none is part of make test.

$(BUILD)/bench/boot: bench/boot.c $(BUILD)/flags/host | tools
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(HOST_CFLAGS) -MF $@.d -MT $@ -o $@ $< -lcjson -lm

bench-boot: $(ATOLL) apps $(BUILD)/bench/boot
	@$(BUILD)/bench/boot $(BUILD)/atoll $(BUILD)/apps/hello pc
	@echo
	@$(BUILD)/bench/boot $(BUILD)/atoll $(BUILD)/apps/hello hosted
.PHONY: bench-boot

# On every platform that exists; BENCH_PLATFORMS=pc for one of them alone.
BENCH_PLATFORMS := pc hosted
$(eval $(call program_rules,bench/programs,$(BUILD)/bench/programs))
$(BUILD)/bench/messages: bench/messages.c $(BUILD)/flags/host | tools
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(HOST_CFLAGS) -MF $@.d -MT $@ -o $@ $<

bench-msg: $(ATOLL) $(BUILD)/bench/programs/messages $(BUILD)/bench/messages
	@$(BUILD)/bench/messages $(BUILD)/atoll $(BUILD)/bench/programs/messages $(BENCH_PLATFORMS)
.PHONY: bench-msg

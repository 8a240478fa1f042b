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

# Beside Linux: natively, and as a guest of the same QEMU. Its kernel is Debian's for clouds, fetched
# when it is first wanted; BENCH_LINUX= leaves the guest out. BENCH_ROUNDS=n takes more rounds.
BENCH_ROUNDS := 3
BENCH_LINUX := $(BUILD)/bench/linux/vmlinuz
$(BUILD)/bench/programs/openmp: PROGRAM_CFLAGS += -fopenmp
$(BUILD)/bench/%: bench/%.c $(BUILD)/flags/host | tools
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(HOST_CFLAGS) -MF $@.d -MT $@ -o $@ $<
$(BUILD)/bench/linux/vmlinuz:
	@mkdir -p $(@D)
	@echo "  FETCH   linux-image-cloud-amd64"
	$(Q)cd $(@D) && package=$$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/ *Depends: //p' | head -n 1) && \
	    apt-get download "$$package" >/dev/null && \
	    dpkg-deb --fsys-tarfile "$$package"_*.deb | tar -x --wildcards './boot/vmlinuz-*' && \
	    mv boot/vmlinuz-* vmlinuz && rm -f "$$package"_*.deb

bench-abi: $(ATOLL) $(BUILD)/bench/programs/abi $(BUILD)/bench/programs/openmp $(BUILD)/bench/abi \
           $(BUILD)/bench/linux_guest $(BENCH_LINUX)
	@mkdir -p $(BUILD)/bench/files
	@$(BUILD)/bench/abi $(BUILD)/atoll $(BUILD)/bench/programs/abi $(BUILD)/bench/programs/openmp \
	    $(abspath $(BUILD)/bench/files) $(BENCH_ROUNDS) $(BENCH_PLATFORMS) \
	    $(if $(BENCH_LINUX),-- $(BENCH_LINUX) $(BUILD)/bench/linux_guest)
.PHONY: bench-abi

# What must be installed, by Debian package name. `tools` is for all that is built or run,
# `test-tools` for the tests and `make check` besides, `runtime-tools` for the machine tests' programs in
# other languages. A stamp for each list of packages makes the
# second look free; SETUP=no leaves it out (on a system that is not Debian).

PACKAGES_RUN := gcc gfortran nasm libc6-dev linux-libc-dev libelf-dev libdw-dev libyaml-dev libcjson-dev \
        musl-tools qemu-system-x86
PACKAGES_TEST := $(PACKAGES_RUN) libcriterion-dev clang clang-format clang-tidy cppcheck
PACKAGES_RUNTIME := $(PACKAGES_TEST) g++ gfortran golang-go rustc cargo librust-rayon-dev busybox-static \
        dpkg-dev tcl

setup_stamp = $(BUILD)/setup/$(firstword $(shell echo '$(1)' | cksum))
STAMP_RUN := $(call setup_stamp,$(PACKAGES_RUN))
STAMP_TEST := $(call setup_stamp,$(PACKAGES_TEST))
STAMP_RUNTIME := $(call setup_stamp,$(PACKAGES_RUNTIME))

ifeq ($(SETUP),no)
tools test-tools runtime-tools:
else
tools: $(STAMP_RUN)
test-tools: $(STAMP_TEST) tools
runtime-tools: $(STAMP_RUNTIME) test-tools
endif

# One after the other when several are asked for: apt-get can not run twice at a time.
$(STAMP_RUN):
	$(Q)tests/make/setup $(PACKAGES_RUN)
	@mkdir -p $(@D) && touch $@
$(STAMP_TEST): | $(STAMP_RUN)
	$(Q)tests/make/setup $(PACKAGES_TEST)
	@mkdir -p $(@D) && touch $@
$(STAMP_RUNTIME): | $(STAMP_TEST)
	$(Q)tests/make/setup $(PACKAGES_RUNTIME)
	@mkdir -p $(@D) && touch $@
.PHONY: tools test-tools runtime-tools

# make check: everything that can be said about the sources without running them.

FORMAT_C := $(sort $(shell find abi apps bench boot instance ipi-msg proxy shm tests -name '*.[ch]' -o -name '*.cc' 2>/dev/null))

check: check-format check-includes check-calls check-warnings check-cppcheck check-tidy
	@echo "make check: nothing found"

check-format: | test-tools
	@echo "  FORMAT  $(words $(FORMAT_C)) files"
	$(Q)clang-format --dry-run -Werror $(FORMAT_C)
format: | test-tools
	$(Q)clang-format -i $(FORMAT_C)

check-includes:
	@echo "  INCLUDE $(words $(FORMAT_C)) files"
	$(Q)tests/make/check-includes $(FORMAT_C)

# The table of system calls is made from the one that the kernel is made from.
check-calls:
	@echo "  CALLS   instance/syscall/CALLS.md"
	$(Q)tests/make/calls-table | cmp -s - instance/syscall/CALLS.md || \
	    { echo "instance/syscall/CALLS.md is not what abi/linux/calls.def says: make calls-table"; exit 1; }
calls-table:
	$(Q)tests/make/calls-table >instance/syscall/CALLS.md
.PHONY: check-calls calls-table

# The compilers' warnings are errors in every build: it is enough that all of it compiles.
check-warnings: all $(MACHINE_PROGRAMS) $(MACHINE_O) $(UNIT_PROGRAMS)

check-cppcheck: | test-tools
	@echo "  CPPCHECK"
	@mkdir -p $(BUILD)/cppcheck
	$(Q)cppcheck --quiet --error-exitcode=1 --std=c11 --platform=unix64 --language=c -j 2 \
	    --enable=warning,performance,portability --inline-suppr --cppcheck-build-dir=$(BUILD)/cppcheck \
	    --suppressions-list=tests/make/cppcheck-suppressions --template=gcc \
	    -D__x86_64__ -D__GNUC__=12 -D_GNU_SOURCE '-Dnoreturn=__attribute__((noreturn))' -I. $(PC_INCLUDE) $(MPI_INCLUDE) \
	    $(filter-out tests/%,$(filter %.c,$(FORMAT_C)))

# clang-tidy sees each file with the flags that it is built with. A file that passed is not looked
# at again until it or a header it includes changes (its object is then newer than the stamp).
TIDY = clang-tidy --quiet --warnings-as-errors='*' $< --
tidy_stamps = $(patsubst %.c,$(BUILD)/tidy/$(1)/%.c.ok,$(2))
TIDY_STAMPS := $(call tidy_stamps,kernel,$(filter-out $(SHARED_C),$(KERNEL_C))) \
        $(call tidy_stamps,loader,$(filter boot/%,$(LOADER_C))) $(call tidy_stamps,host,$(PROXY_C)) \
        $(call tidy_stamps,hosted,$(wildcard instance/platform/hosted/*.c))
define tidy_rules
$(BUILD)/tidy/$(1)/%.c.ok: %.c $(BUILD)/$(1)/%.c.o .clang-tidy | test-tools
	@mkdir -p $$(@D)
	@echo "  TIDY    $$<"
	$$(Q)$$(TIDY) $$(filter-out -MMD -MP -Werror,$(2)) >$$@.log 2>&1 || { cat $$@.log; exit 1; }
	@mv $$@.log $$@
endef
$(eval $(call tidy_rules,kernel,$(KERNEL_CFLAGS)))
$(eval $(call tidy_rules,hosted,$(HOSTED_CFLAGS)))
$(eval $(call tidy_rules,loader,$(LOADER_CFLAGS)))
$(eval $(call tidy_rules,host,$(HOST_CFLAGS)))
check-tidy: $(TIDY_STAMPS)

.PHONY: check check-format check-includes check-warnings check-cppcheck check-tidy format

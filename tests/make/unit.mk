# Unit tests: each folder tests/unit/SUITE is one Criterion program, built for the host with the
# sanitizers. Its sources.mk says what it tests ('-' in the suite's name becomes '_'):
#
#   UNIT_SUITE_SOURCES := shm/ring.c ...   the files under test
#   UNIT_SUITE_LIBS := -lyaml              what they need, if anything
#   UNIT_SUITE_TSAN := 1                   threads meet here: run under ThreadSanitizer too

UNIT_COMMON := $(COMMON) $(PC_INCLUDE) -O1 -D_GNU_SOURCE -DINSTANCE_UNIT_TEST -fno-omit-frame-pointer
UNIT_ASAN := $(UNIT_COMMON) -fsanitize=address,undefined -fno-sanitize-recover=all
# Criterion's sandbox cannot live in ThreadSanitizer's address layout: a header of the same name
# stands in for it there.
UNIT_TSAN := -Itests/make/thread-criterion $(UNIT_COMMON) -fsanitize=thread
UNIT_CFLAGS = $(UNIT_ASAN) / $(UNIT_TSAN)
UNIT_LIMIT := 120 # seconds for each suite

UNIT_SUITES := $(patsubst tests/unit/%/sources.mk,%,$(wildcard tests/unit/*/sources.mk))
include $(wildcard tests/unit/*/sources.mk)

unit_variable = $(UNIT_$(subst -,_,$(1))_$(2))
unit_objects = $(patsubst %,$(BUILD)/unit-$(2)/%.o,$(wildcard tests/unit/$(1)/*.c) \
        $(call unit_variable,$(1),SOURCES))

define unit_rules
$(BUILD)/unit/$(1): $(call unit_objects,$(1),asan) tests/unit/$(1)/sources.mk
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	$$(Q)$$(CC) $$(UNIT_ASAN) -o $$@ $$(filter %.o,$$^) -lcriterion $(call unit_variable,$(1),LIBS) -pthread -lm
$(BUILD)/unit/$(1)-tsan: $(call unit_objects,$(1),tsan) tests/unit/$(1)/sources.mk
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	$$(Q)$$(CC) $$(UNIT_TSAN) -o $$@ $$(filter %.o,$$^) $(call unit_variable,$(1),LIBS) -pthread -lm
unit-$(1): $(BUILD)/unit/$(1) $(if $(filter 1,$(call unit_variable,$(1),TSAN)),$(BUILD)/unit/$(1)-tsan)
	@tests/make/run-tests --limit $(UNIT_LIMIT) $$^
.PHONY: unit-$(1)
endef

$(BUILD)/unit-asan/%.c.o: %.c $(BUILD)/flags/unit | test-tools
	@mkdir -p $(@D)
	@echo "  CC      $< (address, undefined)"
	$(Q)$(CC) $(UNIT_ASAN) -c $< -o $@
$(BUILD)/unit-tsan/%.c.o: %.c $(BUILD)/flags/unit | test-tools
	@mkdir -p $(@D)
	@echo "  CC      $< (thread)"
	$(Q)$(CC) $(UNIT_TSAN) -c $< -o $@

$(foreach s,$(UNIT_SUITES),$(eval $(call unit_rules,$(s))))
UNIT_PROGRAMS := $(foreach s,$(UNIT_SUITES),$(BUILD)/unit/$(s) \
        $(if $(filter 1,$(call unit_variable,$(s),TSAN)),$(BUILD)/unit/$(s)-tsan))

# --- Machine tests: whole machines, through the atoll command ---------------------------------------
MACHINE_LIMIT := 900 # seconds for all of them
MACHINE_C := $(wildcard tests/machine/*.c)
MACHINE_O := $(call objects,host,$(MACHINE_C))
MACHINE_PROGRAMS := $(call program_all,tests/machine/programs,$(BUILD)/tests/programs)
$(eval $(call program_rules,tests/machine/programs,$(BUILD)/tests/programs))

$(MACHINE_O): | test-tools
$(BUILD)/tests/machine: $(MACHINE_O)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) -o $@ $(MACHINE_O) -lcriterion -lcjson -pthread -lm

machine-parts: $(ATOLL) apps $(MACHINE_PROGRAMS) runtimes $(BUILD)/tests/machine

unit: $(UNIT_PROGRAMS)
	@tests/make/run-tests --limit $(UNIT_LIMIT) $(UNIT_PROGRAMS)
machine: machine-parts
	@tests/make/run-tests --env ATOLL_BUILD=$(BUILD) --limit $(MACHINE_LIMIT) $(BUILD)/tests/machine
test: $(UNIT_PROGRAMS) machine-parts
	@tests/make/run-tests --limit $(UNIT_LIMIT) $(UNIT_PROGRAMS) \
	    --env ATOLL_BUILD=$(BUILD) --limit $(MACHINE_LIMIT) $(BUILD)/tests/machine
# The unit tests run under AddressSanitizer and UBSan anyway; this is the whole kernel, on hosted.
test-sanitize:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/sanitize SANITIZE=1 machine-parts
	@tests/make/run-tests --env ATOLL_BUILD=$(BUILD)/sanitize --limit $(MACHINE_LIMIT) \
	    --filter '@(hosted/*|*/*_hosted)' $(BUILD)/sanitize/tests/machine
.PHONY: unit machine machine-parts test test-sanitize

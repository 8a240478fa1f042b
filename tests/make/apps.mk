# The programs to run and read: ordinary C programs, each built by Debian's own compilers in all
# four ways that a static program can be made:
#
#   build/apps/NAME           gcc -static                  glibc, fixed address
#   build/apps/NAME-pie       gcc -static-pie              glibc, position independent
#   build/apps/NAME-musl      musl-gcc -static             musl, fixed address
#   build/apps/NAME-musl-pie  musl-gcc, linked with rcrt1  musl, position independent
#
# The tests' programs are made by the same rules (program_rules DIRECTORY,OUTPUT).

PROGRAM_CFLAGS := -std=gnu11 -g -O2 -fno-omit-frame-pointer -Wall -Wextra -Werror -D_GNU_SOURCE -Iabi/include -I. $(MPI_INCLUDE)
# A program of either library takes that one alone: libmpi.a holds the other.
PROGRAM_LIBS := $(LIBATOLL) $(LIBMPI) -pthread -lm
MUSL := /usr/lib/x86_64-linux-musl
# musl-gcc's specs know no static PIE: linked here by hand, from musl's own start files.
MUSL_PIE = $(CC) -static-pie -nostdlib -o $(1) $(MUSL)/rcrt1.o $(MUSL)/crti.o $(2) \
        -Wl,--start-group $(LIBATOLL) $(LIBMPI) $(MUSL)/libc.a -lgcc -Wl,--end-group $(MUSL)/crtn.o

program_names = $(patsubst $(1)/%.c,$(2)/%,$(wildcard $(1)/*.c))
program_all = $(foreach p,$(call program_names,$(1),$(2)),$(p) $(p)-pie $(p)-musl $(p)-musl-pie)

define program_rules
$(call program_names,$(1),$(2)): $(2)/%: $(1)/%.c $(BUILD)/flags/program $(LIBATOLL) $(LIBMPI) | tools
	@mkdir -p $$(@D)
	@echo "  CC      $$@"
	$$(Q)$$(CC) $$(PROGRAM_CFLAGS) -MMD -MP -MF $$@.d -MT $$@ -static -o $$@ $$< $$(PROGRAM_LIBS)
$(addsuffix -pie,$(call program_names,$(1),$(2))): $(2)/%-pie: $(1)/%.c $(BUILD)/flags/program $(LIBATOLL) $(LIBMPI) | tools
	@mkdir -p $$(@D)
	@echo "  CC      $$@"
	$$(Q)$$(CC) $$(PROGRAM_CFLAGS) -fPIE -MMD -MP -MF $$@.d -MT $$@ -static-pie -o $$@ $$< $$(PROGRAM_LIBS)
$(addsuffix -musl,$(call program_names,$(1),$(2))): $(2)/%-musl: $(1)/%.c $(BUILD)/flags/program $(LIBATOLL) $(LIBMPI) | tools
	@mkdir -p $$(@D)
	@echo "  MUSL    $$@"
	$$(Q)musl-gcc $$(PROGRAM_CFLAGS) -fno-pie -MMD -MP -MF $$@.d -MT $$@ -static -o $$@ $$< $$(PROGRAM_LIBS)
$(addsuffix -musl-pie,$(call program_names,$(1),$(2))): $(2)/%-musl-pie: $(1)/%.c $(BUILD)/flags/program $(LIBATOLL) $(LIBMPI) | tools
	@mkdir -p $$(@D)
	@echo "  MUSL    $$@"
	$$(Q)musl-gcc $$(PROGRAM_CFLAGS) -fPIE -MMD -MP -MF $$@.d -MT $$@ -c -o $$@.o $$<
	$$(Q)$$(call MUSL_PIE,$$@,$$@.o)
endef

APPS := $(call program_all,apps,$(BUILD)/apps)
$(eval $(call program_rules,apps,$(BUILD)/apps))

apps: $(APPS)

# --- The demo: one machine of four cores, three instances, each with its own program ----------------
# On both platforms, one after the other.
# Paths in a machine file count from its own folder; with another BUILD it takes a copy.
ifeq ($(BUILD),build)
DEMO_FILE := apps/demo.yaml
else
DEMO_FILE := $(BUILD)/demo.yaml
$(DEMO_FILE): apps/demo.yaml
	@mkdir -p $(@D)
	@sed 's,\.\./build/,$(abspath $(BUILD))/,' $< >$@
endif
run: $(ATOLL) apps $(DEMO_FILE)
	@echo '  $(BUILD)/atoll run --platform pc $(DEMO_FILE)'
	@$(BUILD)/atoll run --platform pc $(DEMO_FILE)
	@echo
	@echo '  $(BUILD)/atoll run --platform hosted $(DEMO_FILE)'
	@$(BUILD)/atoll run --platform hosted $(DEMO_FILE)
.PHONY: apps run

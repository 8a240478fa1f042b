# The machine tests' programs in other languages than C, each static and by Debian's own compiler:
#
#   tests/machine/programs/cxx/NAME.cc        g++ -static
#
# They are built as $(BUILD)/tests/programs/LANGUAGE/NAME, for `make test` and `make machine` only.

RUNTIME_SOURCES := tests/machine/programs
RUNTIME_OUTPUT := $(BUILD)/tests/programs
runtime_names = $(patsubst $(RUNTIME_SOURCES)/$(1)/%.$(2),$(RUNTIME_OUTPUT)/$(1)/%,$(wildcard $(RUNTIME_SOURCES)/$(1)/*.$(2)))

# --- C++ -------------------------------------------------------------------------------------------
CXX := g++
CXX_CFLAGS := -std=c++20 -g -O2 -Wall -Wextra -Werror
FLAGS_cxx = $(CXX) $(CXX_CFLAGS)
CXX_PROGRAMS := $(call runtime_names,cxx,cc)
$(CXX_PROGRAMS): $(RUNTIME_OUTPUT)/cxx/%: $(RUNTIME_SOURCES)/cxx/%.cc $(BUILD)/flags/cxx | runtime-tools
	@mkdir -p $(@D)
	@echo "  CXX     $@"
	$(Q)$(CXX) $(CXX_CFLAGS) -static -o $@ $<

RUNTIME_PROGRAMS := $(CXX_PROGRAMS)
runtimes: $(RUNTIME_PROGRAMS)
.PHONY: runtimes

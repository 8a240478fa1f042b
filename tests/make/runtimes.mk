# The machine tests' programs in other languages than C, each static and by Debian's own compiler:
#
#   tests/machine/programs/cxx/NAME.cc        g++ -static
#   tests/machine/programs/fortran/NAME.f90   gfortran -static
#   tests/machine/programs/openmp/NAME.*      gcc, g++ and gfortran -static -fopenmp
#   tests/machine/programs/go/NAME.go         go build, without C
#   tests/machine/programs/rust/NAME.rs       rustc with the C library inside (static-pie)
#   lua, sqlite3                              gcc -static, from Debian's source packages
#   apps/rayon                                cargo, with Debian's librust-rayon-dev
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


# --- Fortran ---------------------------------------------------------------------------------------
FC := gfortran
FORTRAN_FLAGS := -g -O2 -Wall -Wextra -Werror
FLAGS_fortran = $(FC) $(FORTRAN_FLAGS)
FORTRAN_PROGRAMS := $(call runtime_names,fortran,f90)
$(FORTRAN_PROGRAMS): $(RUNTIME_OUTPUT)/fortran/%: $(RUNTIME_SOURCES)/fortran/%.f90 $(BUILD)/flags/fortran | runtime-tools
	@mkdir -p $(@D)
	@echo "  FC      $@"
	$(Q)$(FC) $(FORTRAN_FLAGS) -J $(@D) -static -o $@ $<

# --- OpenMP in C, C++ and Fortran --------------------------------------------------------------------
# libgomp.a names dlopen, of which ld warns. libgfortran.a names pthread_mutex_destroy weakly: without a
# strong name a threaded static program dies when it closes a file, on Linux too.
OPENMP_C := $(call runtime_names,openmp,c)
OPENMP_CXX := $(call runtime_names,openmp,cc)
OPENMP_FORTRAN := $(call runtime_names,openmp,f90)
OPENMP_LINK := -fopenmp -static -Wl,--no-warnings
FLAGS_openmp = $(CC) $(PROGRAM_CFLAGS) / $(FLAGS_cxx) / $(FLAGS_fortran) / $(OPENMP_LINK)
$(OPENMP_C): $(RUNTIME_OUTPUT)/openmp/%: $(RUNTIME_SOURCES)/openmp/%.c $(BUILD)/flags/openmp | runtime-tools
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(PROGRAM_CFLAGS) -o $@ $< $(OPENMP_LINK)
$(OPENMP_CXX): $(RUNTIME_OUTPUT)/openmp/%: $(RUNTIME_SOURCES)/openmp/%.cc $(BUILD)/flags/openmp | runtime-tools
	@mkdir -p $(@D)
	@echo "  CXX     $@"
	$(Q)$(CXX) $(CXX_CFLAGS) -o $@ $< $(OPENMP_LINK)
$(OPENMP_FORTRAN): $(RUNTIME_OUTPUT)/openmp/%: $(RUNTIME_SOURCES)/openmp/%.f90 $(BUILD)/flags/openmp | runtime-tools
	@mkdir -p $(@D)
	@echo "  FC      $@"
	$(Q)$(FC) $(FORTRAN_FLAGS) -J $(@D) -o $@ $< $(OPENMP_LINK) -Wl,--undefined=pthread_mutex_destroy

# --- Go --------------------------------------------------------------------------------------------
# Debian's own, wherever PATH leads; caches in the build folder.
GO := /usr/bin/go
GO_PROGRAMS := $(call runtime_names,go,go)
$(GO_PROGRAMS): $(RUNTIME_OUTPUT)/go/%: $(RUNTIME_SOURCES)/go/%.go | runtime-tools
	@mkdir -p $(@D)
	@echo "  GO      $@"
	$(Q)env -u GOROOT -u GOTOOLDIR CGO_ENABLED=0 GO111MODULE=off GOFLAGS=-trimpath GOENV=off \
	    GOPATH=$(abspath $(BUILD))/go GOCACHE=$(abspath $(BUILD))/go/cache $(GO) build -o $@ $<

# --- Rust ------------------------------------------------------------------------------------------
RUSTC := /usr/bin/rustc
CARGO := /usr/bin/cargo
RUST_STATIC := -C target-feature=+crt-static
FLAGS_rust = $(RUSTC) $(RUST_STATIC)
RUST_PROGRAMS := $(call runtime_names,rust,rs)
$(RUST_PROGRAMS): $(RUNTIME_OUTPUT)/rust/%: $(RUNTIME_SOURCES)/rust/%.rs $(BUILD)/flags/rust | runtime-tools
	@mkdir -p $(@D)
	@echo "  RUSTC   $@"
	$(Q)$(RUSTC) --edition 2021 -D warnings -g -O $(RUST_STATIC) -o $@ $<

# Rayon and all that it needs come from the folder of Debian's Rust packages; nothing is fetched. Cargo
# writes beside the manifest, which is therefore copied.
RAYON := $(BUILD)/apps/rayon-demo
$(RAYON): apps/rayon/Cargo.toml apps/rayon/main.rs $(BUILD)/flags/rust | runtime-tools
	@mkdir -p $(@D) $(BUILD)/rayon
	@echo "  CARGO   $@"
	@cp apps/rayon/Cargo.toml apps/rayon/main.rs $(BUILD)/rayon/
	$(Q)cd $(BUILD)/rayon && env -u CARGO_BUILD_TARGET CARGO_HOME=$(abspath $(BUILD))/rayon/home \
	    RUSTC=$(RUSTC) RUSTFLAGS='$(RUST_STATIC)' $(CARGO) build --quiet --offline --release \
	    --target-dir target --config 'source.crates-io.replace-with="debian"' \
	    --config 'source.debian.directory="/usr/share/cargo/registry"'
	@cp $(BUILD)/rayon/target/release/rayon-demo $@

# --- Lua and SQLite ----------------------------------------------------------------------------------
# From Debian's source packages, fetched into the build folder once. Neither is shipped or installed.
SOURCES := $(abspath $(BUILD))/sources
LUA_VERSION := 5.4.4
LUA_HASH := 164c7849653b80ae67bec4b7473b884bf5cc8d2dca05653475ec2ed27b9ebf61
SQLITE_VERSION := 3.40.1
SQLITE_HASH := aaa776260ab4dc976db34aa7891819484c8676b5b2783123ebc6301e2ca5d655
# One after the other: two runs of apt-get would fetch the lists twice at a time.
$(SOURCES)/lua5.4/.done: tests/make/debian-source | runtime-tools
	@echo "  SOURCE  lua5.4 $(LUA_VERSION)"
	$(Q)tests/make/debian-source lua5.4 $(LUA_VERSION) $(LUA_HASH) $(@D)
	@touch $@
$(SOURCES)/sqlite3/.done: tests/make/debian-source | runtime-tools $(SOURCES)/lua5.4/.done
	@echo "  SOURCE  sqlite3 $(SQLITE_VERSION)"
	$(Q)tests/make/debian-source sqlite3 $(SQLITE_VERSION) $(SQLITE_HASH) $(@D)
	@touch $@

LUA := $(RUNTIME_OUTPUT)/lua
$(LUA): $(SOURCES)/lua5.4/.done
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)cd $(<D)/source/src && \
	    echo '#define DEB_HOST_MULTIARCH "x86_64-linux-gnu"' >lua5.4-deb-multiarch.h && \
	    $(CC) -O2 -g -DLUA_USE_POSIX -DLUA_COMPAT_5_3 -static \
	    -o $(abspath $@) $$(ls *.c | grep -v '^luac\.c$$') -lm

# The amalgamation is made by SQLite's own scripts (tcl).
SQLITE := $(RUNTIME_OUTPUT)/sqlite3
SQLITE_OPTIONS := -DSQLITE_THREADSAFE=1 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_ENABLE_FTS5 \
        -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS -DHAVE_USLEEP=1
$(SQLITE): $(SOURCES)/sqlite3/.done
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)cd $(<D)/source && { ./configure --disable-tcl --disable-readline --disable-load-extension && \
	    $(MAKE) MAKEFLAGS= sqlite3.c shell.c; } >../log.make 2>&1 || { tail -n 20 ../log.make; exit 1; }
	$(Q)cd $(<D)/source && $(CC) -O2 -g $(SQLITE_OPTIONS) -static -o $(abspath $@) shell.c sqlite3.c -lm -pthread

RUNTIME_PROGRAMS := $(CXX_PROGRAMS) $(FORTRAN_PROGRAMS) $(OPENMP_C) $(OPENMP_CXX) $(OPENMP_FORTRAN) \
        $(GO_PROGRAMS) $(RUST_PROGRAMS) $(RAYON) $(LUA) $(SQLITE)
runtimes: $(RUNTIME_PROGRAMS)
rayon: $(ATOLL) $(RAYON)
.PHONY: runtimes rayon

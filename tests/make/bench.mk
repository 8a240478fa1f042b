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
$(addprefix $(BUILD)/bench/programs/,openmp abi compute): PROGRAM_CFLAGS += -I.
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

bench-abi: $(ATOLL) $(addprefix $(BUILD)/bench/programs/,abi openmp compute) \
           $(BUILD)/bench/abi $(BUILD)/bench/linux_guest $(BENCH_LINUX)
	@mkdir -p $(BUILD)/bench/files
	@$(BUILD)/bench/abi $(BUILD)/atoll $(BUILD)/bench/programs/abi $(BUILD)/bench/programs/openmp \
	    $(BUILD)/bench/programs/compute $(abspath $(BUILD)/bench/files) $(BENCH_ROUNDS) $(BENCH_PLATFORMS) \
	    $(if $(BENCH_LINUX),-- $(BENCH_LINUX) $(BUILD)/bench/linux_guest)
.PHONY: bench-abi

# MPI beside OpenMPI and MPICH: bench/mpi compiled by each one's wrapper, run on the same two cores.
# BENCH_MPI="latency bandwidth" for some of the measures, with ":4" for four ranks on the two cores.
PACKAGES_MPI := openmpi-bin libopenmpi-dev mpich libmpich-dev
STAMP_MPI := $(call setup_stamp,$(PACKAGES_MPI))
$(STAMP_MPI): | $(STAMP_RUN)
	$(Q)tests/make/setup $(PACKAGES_MPI)
	@mkdir -p $(@D) && touch $@
mpi-tools: $(if $(filter no,$(SETUP)),,$(STAMP_MPI)) tools

BENCH_MPI_C := $(wildcard bench/mpi/*.c)
BENCH_MPI := latency bandwidth bidirectional threads collectives overlap pairs:4 collectives:4 \
        $(shell grep -qs '^MPI_Win_allocate$$' $(MPI_FORTRAN)/implemented && echo windows)
# One-sided operations are measured once the library has them.
BENCH_MPI_WINDOWS = $$(grep -qs '^MPI_Win_allocate$$' $(MPI_FORTRAN)/implemented && echo -DWITH_WINDOWS)
MPI_CC_atoll := $(BUILD)/atoll-mpicc
MPI_CC_openmpi := mpicc.openmpi
MPI_CC_mpich := mpicc.mpich
# The peers' headers do not compile without warnings.
MPI_WARN_atoll := -Wall -Wextra -Werror
MPI_WARN_openmpi := -w
MPI_WARN_mpich := -w
$(BUILD)/bench/mpi-programs/measure-%: $(BENCH_MPI_C) bench/mpi/measure.h $(LIBMPI) $(MPI_WRAPPERS) $(MPI_HEADERS) | mpi-tools
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(MPI_CC_$*) -O2 -g $(MPI_WARN_$*) $(BENCH_MPI_WINDOWS) -I. -o $@ $(BENCH_MPI_C) -pthread

bench-mpi: $(ATOLL) $(BUILD)/bench/mpi $(addprefix $(BUILD)/bench/mpi-programs/measure-,atoll openmpi mpich)
	@$(BUILD)/bench/mpi $(BUILD)/atoll $(BUILD)/bench/mpi-programs $(BENCH_ROUNDS) $(BENCH_MPI)
.PHONY: bench-mpi mpi-tools

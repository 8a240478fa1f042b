# libmpi.a and the compilers' wrappers: what MPI programs are built with. The library holds
# libatoll's objects too, so that -lmpi is all that a program needs; nothing is visible but MPI_*,
# PMPI_* and what programs may use of atoll.h.

MPI_C := $(wildcard abi/mpi/*.c)
LIBMPI_O := $(call objects,library,$(MPI_C))
LIBMPI := $(BUILD)/lib/libmpi.a
MPI_WRAPPERS := $(BUILD)/atoll-mpicc $(BUILD)/atoll-mpicxx $(BUILD)/atoll-mpifort
MPI_HEADERS := $(BUILD)/include/mpi.h $(BUILD)/include/mpi_functions.h

# The loops of reductions are what vector code is for.
$(BUILD)/library/abi/mpi/op_kernels.c.o: LIBRARY_CFLAGS += -O3

include tests/make/mpi-fortran.mk
$(LIBMPI): $(LIBMPI_O) $(MPI_FORTRAN_O) $(LIBRARY_O) $(BUILD)/flags/library
	@mkdir -p $(@D)
	@echo "  AR      $@"
	$(Q)$(CC) -O2 -fPIC -r -flto -flinker-output=nolto-rel -nostdlib -o $(BUILD)/library/mpi.o $(LIBMPI_O) $(LIBRARY_O)
	$(Q)objcopy --wildcard --keep-global-symbol='atoll_*' --keep-global-symbol='MPI_*' \
	    --keep-global-symbol='PMPI_*' --keep-global-symbol='mpi_*' $(BUILD)/library/mpi.o
	@rm -f $@
	$(Q)ar crs $@ $(BUILD)/library/mpi.o $(MPI_FORTRAN_O)

$(BUILD)/include/mpi.h: abi/mpi/include/mpi.h
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(BUILD)/atoll-mpi%: abi/mpi/atoll-mpicc
	@mkdir -p $(@D)
	$(Q)install -m 755 $< $@

mpi: $(LIBMPI) $(MPI_WRAPPERS) $(MPI_HEADERS)
.PHONY: mpi

# The tests in MPICH's source package, built against libmpi.a: fetched when this is run, nothing of it is
# in the repository. MPI_CONFORMANCE="coll pt2pt" for some of its directories.
MPICH_VERSION := 4.0.2
MPICH_HASH := b27039f964afeb6b8a3e009c56b441cbe368c26d6d6476ad3bb7190996875860
MPI_CONFORMANCE := attr group info init topo errhan comm mpi_t pt2pt datatype part io threads f77 f90 coll rma
MPICH := $(abspath $(BUILD))/mpi-conformance/mpich
$(MPICH)/.done: tests/make/debian-source | runtime-tools
	@echo "  SOURCE  mpich $(MPICH_VERSION)"
	$(Q)tests/make/debian-source mpich $(MPICH_VERSION) $(MPICH_HASH) $(@D)
	@touch $@
test-mpi-conformance: $(ATOLL) mpi $(MPICH)/.done
	$(Q)tests/make/mpi-conformance $(abspath $(BUILD)) $(MPICH)/source $(MPI_CONFORMANCE)
.PHONY: test-mpi-conformance

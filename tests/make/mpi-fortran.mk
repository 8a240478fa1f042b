# Fortran's side of MPI: the calls as one more member of libmpi.a, mpif.h, and the module mpi. All are
# made from functions.def and mpi.h, for the functions that the library has.

MPI_FORTRAN := $(BUILD)/mpi-fortran
FC := gfortran
# An ordinary object: only programs in Fortran pull it in.
MPI_FORTRAN_CFLAGS = $(filter-out -flto -fno-fat-lto-objects,$(LIBRARY_CFLAGS))

# What is implemented: the PMPI_ names that the objects define.
$(MPI_FORTRAN)/implemented: $(LIBMPI_O)
	@mkdir -p $(@D)
	$(Q)gcc-nm --defined-only $(LIBMPI_O) | sed -n 's/^.* T P\(MPI_[A-Za-z_0-9]*\)$$/\1/p' | sort >$@
$(MPI_FORTRAN)/wrappers.c: $(MPI_FORTRAN)/implemented abi/mpi/functions.def abi/mpi/fortran/wrappers.awk
	@echo "  AWK     $@"
	$(Q)awk -v output=wrappers -v implemented=$< -f abi/mpi/fortran/wrappers.awk abi/mpi/functions.def >$@
$(MPI_FORTRAN)/wrappers.o: $(MPI_FORTRAN)/wrappers.c abi/mpi/fortran/fortran.h $(BUILD)/flags/library | tools
	@echo "  CC      $<"
	$(Q)$(CC) $(MPI_FORTRAN_CFLAGS) -Wno-missing-prototypes -c $< -o $@
$(MPI_FORTRAN)/fortran.o: abi/mpi/fortran/fortran.c $(BUILD)/flags/library | tools
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(MPI_FORTRAN_CFLAGS) -c $< -o $@
MPI_FORTRAN_O := $(MPI_FORTRAN)/wrappers.o $(MPI_FORTRAN)/fortran.o $(MPI_FORTRAN)/mpi_f08.o

$(BUILD)/include/mpif.h: abi/mpi/include/mpi.h abi/mpi/fortran/mpif.awk
	@mkdir -p $(@D)
	@echo "  AWK     $@"
	$(Q)awk -f abi/mpi/fortran/mpif.awk $< >$@
$(MPI_FORTRAN)/mpi.f90: $(MPI_FORTRAN)/implemented $(BUILD)/include/mpif.h abi/mpi/functions.def abi/mpi/fortran/wrappers.awk
	@echo "  AWK     $@"
	$(Q){ echo 'module mpi'; echo '  implicit none'; grep -v 'MPI_WTICK' $(BUILD)/include/mpif.h; \
	    echo '  interface'; \
	    awk -v output=interfaces -v implemented=$< -f abi/mpi/fortran/wrappers.awk abi/mpi/functions.def; \
	    for f in WTIME WTICK; do \
	        echo "    double precision function MPI_$$f()"; echo '    end function'; done; \
	    for f in add diff; do \
	        echo "    integer(kind=8) function MPI_Aint_$$f(one, other)"; \
	        echo '      integer(kind=8) :: one, other'; echo '    end function'; done; \
	    echo '  end interface'; echo 'end module'; } >$@
$(BUILD)/include/mpi.mod: $(MPI_FORTRAN)/mpi.f90 | tools
	@echo "  FC      $<"
	$(Q)$(FC) -fsyntax-only -J$(@D) $<
	@touch $@

# mpi_f08: the same calls with other types. Its object holds the comparisons of handles.
$(MPI_FORTRAN)/mpi_f08.f90: $(MPI_FORTRAN)/implemented $(BUILD)/include/mpif.h abi/mpi/include/mpi.h abi/mpi/functions.def \
        abi/mpi/fortran/wrappers.awk abi/mpi/fortran/f08.awk
	@echo "  AWK     $@"
	$(Q){ awk -v header=abi/mpi/include/mpi.h -f abi/mpi/fortran/f08.awk $(BUILD)/include/mpif.h; \
	    echo '  interface'; \
	    awk -v output=interfaces -v f08=1 -v implemented=$< -f abi/mpi/fortran/wrappers.awk abi/mpi/functions.def; \
	    for f in WTIME WTICK; do \
	        echo "    double precision function MPI_$$f()"; echo '    end function'; done; \
	    for f in add diff; do \
	        echo "    integer(kind=8) function MPI_Aint_$$f(one, other)"; \
	        echo '      integer(kind=8) :: one, other'; echo '    end function'; done; \
	    echo '  end interface'; echo 'contains'; \
	    awk -v part=contains -f abi/mpi/fortran/f08.awk /dev/null; echo 'end module'; } >$@
$(MPI_FORTRAN)/mpi_f08.o: $(MPI_FORTRAN)/mpi_f08.f90 | tools
	@echo "  FC      $<"
	@mkdir -p $(BUILD)/include
	$(Q)$(FC) -O2 -fPIC -J$(BUILD)/include -c $< -o $@
$(BUILD)/include/mpi_f08.mod: $(MPI_FORTRAN)/mpi_f08.o
	@touch $@

mpi: $(BUILD)/include/mpif.h $(BUILD)/include/mpi.mod $(BUILD)/include/mpi_f08.mod

# The test programs in Fortran, as a user would build them.
MPI_FORTRAN_TEST := $(BUILD)/tests/programs/mpi_fortran $(BUILD)/tests/programs/mpi_f08
$(MPI_FORTRAN_TEST): $(BUILD)/tests/programs/%: tests/machine/programs/%.f90 $(LIBMPI) $(MPI_WRAPPERS) \
        $(BUILD)/include/mpi.mod $(BUILD)/include/mpi_f08.mod
	@mkdir -p $@.modules
	@echo "  FC      $@"
	$(Q)$(BUILD)/atoll-mpifort -g -O2 -Wall -Wno-unused-parameter -J$@.modules -o $@ $<
machine-parts: $(MPI_FORTRAN_TEST)

# What of MPI the library leaves out: a program that uses one of these does not link.
mpi-missing: $(MPI_FORTRAN)/implemented
	@awk -v output=names -f abi/mpi/functions.awk abi/mpi/functions.def | sort | comm -23 - $<
.PHONY: mpi-missing

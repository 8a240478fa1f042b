# apps/mpi: the MPI programs to run and read, built as a user builds them, and for the tests by OpenMPI's
# compilers from the same sources.
#
#   build/apps/mpi/NAME             atoll-mpicc              apps/mpi/NAME.c
#   build/apps/mpi/NAME-musl        atoll-mpicc, musl-gcc
#   build/apps/mpi/NAME-fortran     atoll-mpifort            apps/mpi/NAME.f90
#   build/apps/mpi/NAME-openmpi, NAME-fortran-openmpi        mpicc and mpifort of OpenMPI

MPI_APP_FLAGS := -g -O2 -Wall -Wextra -Werror
MPI_APPS_C := $(patsubst apps/mpi/%.c,$(BUILD)/apps/mpi/%,$(wildcard apps/mpi/*.c))
MPI_APPS_FORTRAN := $(patsubst apps/mpi/%.f90,$(BUILD)/apps/mpi/%-fortran,$(wildcard apps/mpi/*.f90))
MPI_APPS := $(MPI_APPS_C) $(addsuffix -musl,$(MPI_APPS_C)) $(MPI_APPS_FORTRAN)
FLAGS_mpi-apps = $(MPI_APP_FLAGS) $(CC)
MPI_APP_NEEDS := $(LIBMPI) $(MPI_WRAPPERS) $(MPI_HEADERS) $(BUILD)/include/mpif.h $(BUILD)/include/mpi.mod $(BUILD)/flags/mpi-apps

$(MPI_APPS_C): $(BUILD)/apps/mpi/%: apps/mpi/%.c $(MPI_APP_NEEDS) | tools
	@mkdir -p $(@D)
	@echo "  MPICC   $@"
	$(Q)$(BUILD)/atoll-mpicc $(MPI_APP_FLAGS) -o $@ $< -lm
$(addsuffix -musl,$(MPI_APPS_C)): $(BUILD)/apps/mpi/%-musl: apps/mpi/%.c $(MPI_APP_NEEDS) | tools
	@mkdir -p $(@D)
	@echo "  MPICC   $@"
	$(Q)ATOLL_MPI_CC=musl-gcc $(BUILD)/atoll-mpicc $(MPI_APP_FLAGS) -o $@ $< -lm
$(MPI_APPS_FORTRAN): $(BUILD)/apps/mpi/%-fortran: apps/mpi/%.f90 $(MPI_APP_NEEDS) | tools
	@mkdir -p $@.modules
	@echo "  MPIFORT $@"
	$(Q)$(BUILD)/atoll-mpifort $(MPI_APP_FLAGS) -J$@.modules -o $@ $<
apps: $(MPI_APPS)

# Beside OpenMPI: installed by name for the tests; with SETUP=no it may be missing, and then those tests
# say so and do nothing. Its headers do not compile without warnings.
PACKAGES_OPENMPI := openmpi-bin libopenmpi-dev
STAMP_OPENMPI := $(call setup_stamp,$(PACKAGES_OPENMPI))
$(STAMP_OPENMPI): | $(STAMP_RUNTIME)
	$(Q)tests/make/setup $(PACKAGES_OPENMPI)
	@mkdir -p $(@D) && touch $@
openmpi-tools: $(if $(filter no,$(SETUP)),,$(STAMP_OPENMPI)) runtime-tools
MPI_APPS_OPENMPI := $(addsuffix -openmpi,$(MPI_APPS_C) $(MPI_APPS_FORTRAN))
$(addsuffix -openmpi,$(MPI_APPS_C)): $(BUILD)/apps/mpi/%-openmpi: apps/mpi/%.c $(BUILD)/flags/mpi-apps | openmpi-tools
	@mkdir -p $(@D)
	@echo "  OPENMPI $@"
	$(Q)if command -v mpicc.openmpi >/dev/null; then mpicc.openmpi -g -O2 -w -o $@ $< -lm; \
	    else echo "          no mpicc.openmpi: the tests beside OpenMPI are left out"; fi
$(addsuffix -openmpi,$(MPI_APPS_FORTRAN)): $(BUILD)/apps/mpi/%-fortran-openmpi: apps/mpi/%.f90 $(BUILD)/flags/mpi-apps | openmpi-tools
	@mkdir -p $@.modules
	@echo "  OPENMPI $@"
	$(Q)if command -v mpifort.openmpi >/dev/null; then mpifort.openmpi -g -O2 -w -J$@.modules -o $@ $<; \
	    else echo "          no mpifort.openmpi: the tests beside OpenMPI are left out"; fi
machine-parts: $(MPI_APPS_OPENMPI)
.PHONY: openmpi-tools

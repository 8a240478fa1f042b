# mpi.h's prototypes, made from the table of MPI's functions. Whatever is compiled may include <mpi.h>.

MPI_FUNCTIONS_H := $(BUILD)/include/mpi_functions.h
MPI_INCLUDE := -Iabi/mpi/include -I$(BUILD)/include
COMMON += $(MPI_INCLUDE)

$(MPI_FUNCTIONS_H): abi/mpi/functions.def abi/mpi/functions.awk
	@mkdir -p $(@D)
	@echo "  AWK     $@"
	$(Q)awk -v output=prototypes -f abi/mpi/functions.awk $< >$@
tools: $(MPI_FUNCTIONS_H)

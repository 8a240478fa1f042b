#include "abi/mpi/slots.h"

#include <stddef.h>

void slots_free(struct slots *slots)
{
    (void)slots;
}

/* Collectives through slots of shared memory. */
#ifndef ABI_MPI_SLOTS_H
#define ABI_MPI_SLOTS_H

struct slots;

/* Gives back a communicator's part of the own section; NULL: nothing. */
void slots_free(struct slots *slots);

#endif

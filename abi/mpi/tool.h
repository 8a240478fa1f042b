/* What the files of the tool interface share. */
#ifndef ABI_MPI_TOOL_H
#define ABI_MPI_TOOL_H

/* MPI_T_init_thread calls less MPI_T_finalize calls. */
int tool_users(void);

#endif

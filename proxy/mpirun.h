/* `atoll mpirun`: its command line, turned into a machine of one instance for each rank. */
#ifndef PROXY_MPIRUN_H
#define PROXY_MPIRUN_H

#include "proxy/options.h"

/* Reads argv[0..count): argv[0] is the word "mpirun" itself. Returns 0, or -1 with every fault
 * reported; options_free is due in both cases. config_check has still to come. */
int mpirun_read(struct options *options, int count, char **argv, struct config_report *report);

void mpirun_print_help(FILE *out);

#endif

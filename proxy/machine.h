/* Running a checked machine from its start to its end: the lagoon, the platform, the I/O, the
 * summary. */
#ifndef PROXY_MACHINE_H
#define PROXY_MACHINE_H

#include "proxy/config.h"

/* Turns platform auto into what this host does best: pc where its CPU and /dev/kvm make KVM
 * possible, else hosted; says which on standard error. */
void machine_choose_platform(struct machine_config *machine, const struct run_options *options);

/* Runs `machine` until all its instances have ended, one of the limits is reached, or a signal says
 * stop. Prints output, messages and the summary. Returns the exit status for `atoll run`: the first
 * instance's, in order, that is not 0; 128 + signal for one that crashed; 124 when the time limit
 * ended the run; 125 when the machine itself could not be started. Leaves no process, socket or
 * file behind, whichever way it ends. */
int machine_run(const struct machine_config *machine, const struct run_options *options);

#endif

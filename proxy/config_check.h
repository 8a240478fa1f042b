/* Between the parts of config_check only: config_check.c, config_cores.c and config_jobs.c. */
#ifndef PROXY_CONFIG_CHECK_H
#define PROXY_CONFIG_CHECK_H

#include "proxy/config.h"

#define CONFIG_LABEL_MAX 96 /* bytes, with the NUL */

/* How a message calls an instance: "instance 'hello'", or "instance 3" while it has no name.
 * Returns `buffer`, of CONFIG_LABEL_MAX bytes. */
const char *config_label(const struct machine_config *machine, size_t index, char *buffer);

/* Checks and assigns cores, and sets machine->cores where it was left open. */
void config_check_cores(struct machine_config *machine, struct config_report *report);

/* Checks the jobs' names, and gives their instances' programs the variables that say who belongs to
 * the job. */
void config_check_jobs(struct machine_config *machine, struct config_report *report);

#endif

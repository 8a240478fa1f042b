/* For the readers of configurations only (options.c, config_yaml.c, config_check.c): making a
 * machine_config piece by piece, and memory that is either there or ends the command. */
#ifndef PROXY_CONFIG_BUILD_H
#define PROXY_CONFIG_BUILD_H

#include "proxy/config.h"

/* `count` * `size` zeroed bytes, or the end of the command: it says how much was asked for and
 * exits with status 125. Nothing has been started yet when a configuration is read. */
void *config_allocate(size_t count, size_t size);
/* Room for one more element in an array of `count` elements of `size` bytes; doubles as needed. */
void *config_grow(void *array, size_t count, size_t size);
/* Appends `text`, which it takes over, to a NULL-terminated array of *count strings (NULL: none
 * yet, otherwise made here). Returns the array, perhaps moved. */
char **config_grow_strings(char **array, size_t *count, char *text);
char *config_copy(const char *text, size_t length); /* with a NUL behind it */
__attribute__((format(printf, 1, 2))) char *config_format(const char *format, ...);

/* A machine with nothing in it; gives back nothing (config_free does). */
void config_init(struct machine_config *machine);

/* Appends an instance of one core and CONFIG_MEMORY_DEFAULT bytes. Valid until the next call. */
struct instance_config *config_add_instance(struct machine_config *machine,
                                            struct config_place place);

/* Append to argv and envp; they take the string over (made by config_copy or config_format). */
void config_add_argument(struct instance_config *instance, char *argument);
void config_add_environment(struct instance_config *instance, char *entry);

/* Appends "HOST:GUEST[:rw|:ro]"; a relative HOST counts from `folder` (NULL: from here). Returns
 * NULL, or what is wrong in words. */
const char *config_add_mount(struct instance_config *instance, const char *text, const char *folder,
                             struct config_place place);

/* "auto", "pc", "hosted". Returns 0 or -1. */
int config_parse_platform(const char *text, enum config_platform *platform);

#define CONFIG_NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

/* Why `name` cannot be an instance's name, or NULL. */
const char *config_name_refusal(const char *name);

/* A size as people read it: "64 MiB", "1.5 GiB" or, when it is no round one, "4097 bytes". Returns
 * `buffer`, which must hold 32 bytes. */
const char *config_show_size(uint64_t bytes, char buffer[32]);

#endif

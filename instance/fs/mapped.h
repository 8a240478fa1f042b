/* Open files as what areas of the address space are mapped from. */
#ifndef INSTANCE_FS_MAPPED_H
#define INSTANCE_FS_MAPPED_H

#include "instance/fs/vfs.h"
#include "instance/mm/space.h"

/* The source of an area over `file`, whose reference it takes over if it succeeds: then *made is
 * to be given to space_map, or to area_file_put. 0, -EACCES (shared and to be written, but not open
 * for that), -ENODEV (a file that cannot be mapped so), -EPERM (sealed) or -ENOMEM. */
int mapped_create(struct file *file, bool shared, bool write, struct area_file **made);

/* The open file that a mapping made so shows. */
const struct file *mapped_open_file(const struct area_file *file);

#endif

/* Nodes of the host's folders: see host_files.c. */
#ifndef INSTANCE_FS_HOST_FILES_H
#define INSTANCE_FS_HOST_FILES_H

#include "instance/fs/vfs.h"

/* The node of a mount's own folder. 0 or -ENOMEM. */
int host_root_create(struct vfs_mount *mount, struct vfs_node **node);

#endif

# Files in memory and the walk along paths, against a model: this process's own folder on Linux.
UNIT_fs_SOURCES := instance/fs/tmpfs.c instance/fs/tmpfs_names.c instance/fs/tmpfs_bytes.c instance/fs/tmpfs_pages.c instance/fs/walk.c \
        instance/fs/vfs.c instance/fs/vfs_file.c instance/fs/pipe.c instance/fs/file.c instance/fs/file_locks.c instance/fs/lock.c

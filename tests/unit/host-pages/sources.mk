# Shared mappings of the host's files: what is stored reaches the host, and what cannot is told.
UNIT_host_pages_SOURCES := instance/fs/host_pages.c instance/fs/tmpfs_pages.c
UNIT_host_pages_TSAN := 1

# When the host is asked for large pages: platform hosted, over a host that is played here.
UNIT_large_SOURCES := instance/platform/hosted/large.c
UNIT_large_TSAN := 1

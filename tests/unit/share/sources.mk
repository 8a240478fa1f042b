# What an instance can reach of the host's files, and the threads that serve it.
UNIT_share_SOURCES := proxy/share.c proxy/share_pool.c proxy/share_lock.c proxy/events.c \
        proxy/clock.c
UNIT_share_TSAN := 1

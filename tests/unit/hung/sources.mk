# When a core counts as hung: the proxy's rules, with a clock and an instance that are played here.
UNIT_hung_SOURCES := proxy/machine_hung.c

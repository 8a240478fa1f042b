UNIT_abi_SOURCES := abi/handover.c

UNIT_program_SOURCES := instance/program_elf.c instance/program_stack.c

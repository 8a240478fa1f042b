UNIT_shape_SOURCES := instance/syscall/shape.c

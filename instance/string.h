/* The string functions of abi/freestanding/string.c, by their standard prototypes. */
#ifndef INSTANCE_STRING_H
#define INSTANCE_STRING_H

#include <string.h>

#endif

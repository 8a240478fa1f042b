/* The kernel's heap, as the loader's tests need it: libc's, under the leak checker. */
#include "instance/mm/kmalloc.h"

#include <stdlib.h>

void *kmalloc(size_t size)
{
    return malloc(size);
}

void *kzalloc(size_t size)
{
    return calloc(1, size);
}

void kfree(void *pointer)
{
    free(pointer);
}

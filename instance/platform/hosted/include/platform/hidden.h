/* Included before everything else: no symbol of the kernel is another program's, so none is reached
 * through a global offset table. */
#pragma GCC visibility push(hidden)

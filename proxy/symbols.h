/* Turns addresses into function names and source lines, from an ELF file's DWARF or, where it has
 * none, its symbol table. */
#ifndef PROXY_SYMBOLS_H
#define PROXY_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

struct symbols;

/* Reads the ELF file at `path`; a position-independent one counts as loaded at `base`. NULL when it
 * cannot be read (a file that changed meanwhile, for instance): addresses then stay numbers. */
struct symbols *symbols_open(const char *path, uint64_t base);
void symbols_close(struct symbols *symbols); /* NULL is left alone */

/* libdwfl's session on the file, for unwind.c; NULL for NULL. Ends with symbols_close. */
struct Dwfl *symbols_session(struct symbols *symbols);

/* Where the kernel loads the program at `path`, if it is position-independent (abi/program.h):
 * depends on how its segments are aligned. */
uint64_t symbols_program_base(const char *path);

struct symbol {
    char function[128]; /* "" when unknown */
    uint64_t offset;    /* of the address from the function's start */
    char file[128];     /* the source file's name without its folders; "" when unknown */
    int line;           /* 0 when unknown */
};

/* Fills *symbol for `address`; a return address points behind its call, so that is looked up as
 * address - 1. `symbols` may be NULL. Returns whether anything is known. */
bool symbols_find(struct symbols *symbols, uint64_t address, bool is_return_address,
                  struct symbol *symbol);

#endif

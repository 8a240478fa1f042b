/* What the compiler calls where -fsanitize=undefined has found undefined behaviour in the kernel
 * (make test-sanitize): a panic that names the place. Compiled into that build alone. The names and
 * arguments are the compilers' own (libsanitizer, ubsan_handlers.h). */
#include "instance/log.h"

#include <stdint.h>

struct place {
    const char *file;
    uint32_t line, column;
};

static void report(const struct place *place, const char *what)
{
    panic(NULL, "undefined behaviour: %s at %s:%u:%u", what, place->file, place->line,
          place->column);
}

/* Each begins with the place and is called with one to three further words, which are not looked
 * at. */
#define HANDLER(name, what)                                                                        \
    void __ubsan_handle_##name(const struct place *place);                                         \
    void __ubsan_handle_##name(const struct place *place)                                          \
    {                                                                                              \
        report(place, what);                                                                       \
    }

HANDLER(add_overflow, "signed addition overflows")
HANDLER(sub_overflow, "signed subtraction overflows")
HANDLER(mul_overflow, "signed multiplication overflows")
HANDLER(negate_overflow, "negation overflows")
HANDLER(divrem_overflow, "division by zero, or overflow")
HANDLER(shift_out_of_bounds, "shift by too much, or of a negative number")
HANDLER(out_of_bounds, "index out of bounds")
HANDLER(builtin_unreachable, "unreachable code reached")
HANDLER(missing_return, "function without a return value")
HANDLER(vla_bound_not_positive, "array of no positive length")
HANDLER(load_invalid_value, "value that its type does not have")
HANDLER(type_mismatch_v1, "null or misaligned pointer, or object too small")
HANDLER(nonnull_arg, "null argument")
HANDLER(pointer_overflow, "pointer arithmetic overflows")
HANDLER(invalid_builtin, "builtin function with an invalid argument")

void __ubsan_handle_nonnull_return_v1(const void *data, const struct place *place);
void __ubsan_handle_nonnull_return_v1(const void *data, const struct place *place)
{
    (void)data;
    report(place, "null returned");
}

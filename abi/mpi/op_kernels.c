/* The loops of the predefined operations. Written so that the compiler makes vector code of them:
 * nothing aliases, and elements need not be aligned (they may lie in a packed message). Integers
 * are added and multiplied without sign, so that they wrap around. */

#include "abi/mpi/op_kernels.h"

/* Elements wherever they lie. */
#define ELEMENT(Name, Type) typedef Type Name __attribute__((aligned(1), may_alias));
ELEMENT(s8, int8_t)
ELEMENT(s16, int16_t)
ELEMENT(s32, int32_t)
ELEMENT(s64, int64_t)
ELEMENT(s128, __int128)
ELEMENT(u8, uint8_t)
ELEMENT(u16, uint16_t)
ELEMENT(u32, uint32_t)
ELEMENT(u64, uint64_t)
ELEMENT(u128, unsigned __int128)
ELEMENT(f32, float)
ELEMENT(f64, double)
ELEMENT(f80, long double)
ELEMENT(f128, __float128)
ELEMENT(c32, float _Complex)
ELEMENT(c64, double _Complex)
ELEMENT(c80, long double _Complex)
ELEMENT(c128, complex_quad)

#define KERNEL(Name, Element, Expression)                                                          \
    static void Name##_##Element(const void *left, void *right, int64_t count)                     \
    {                                                                                              \
        const Element *restrict from = left;                                                       \
        Element *restrict to = right;                                                              \
                                                                                                   \
        for (int64_t i = 0; i < count; i++) {                                                      \
            const Element a = from[i], b = to[i];                                                  \
            to[i] = (Element)(Expression);                                                         \
        }                                                                                          \
    }

#define WRAPPING(Element)                                                                          \
    KERNEL(sum, Element, a + b)                                                                    \
    KERNEL(prod, Element, 1u * a * b) /* short ones would be multiplied as int */                  \
    KERNEL(band, Element, a &b)                                                                    \
    KERNEL(bor, Element, a | b)                                                                    \
    KERNEL(bxor, Element, a ^ b)                                                                   \
    KERNEL(land, Element, a &&b)                                                                   \
    KERNEL(lor, Element, a || b)                                                                   \
    KERNEL(lxor, Element, !a != !b)
#define ORDERED(Element)                                                                           \
    KERNEL(min, Element, a < b ? a : b)                                                            \
    KERNEL(max, Element, a > b ? a : b)
#define FLOATING(Element)                                                                          \
    KERNEL(sum, Element, a + b)                                                                    \
    KERNEL(prod, Element, a *b)

WRAPPING(u8)
WRAPPING(u16)
WRAPPING(u32)
WRAPPING(u64)
WRAPPING(u128)
ORDERED(u8)
ORDERED(u16)
ORDERED(u32)
ORDERED(u64)
ORDERED(s8)
ORDERED(s16)
ORDERED(s32)
ORDERED(s64)
ORDERED(s128)
FLOATING(f32)
FLOATING(f64)
FLOATING(f80)
FLOATING(f128)
ORDERED(f32)
ORDERED(f64)
ORDERED(f80)
ORDERED(f128)
FLOATING(c32)
FLOATING(c64)
FLOATING(c80)
FLOATING(c128)

/* A value and its index; of equal values the least index. */
#define PAIR_KERNELS(Name, Value, Index)                                                           \
    struct __attribute__((may_alias)) pair_##Name {                                                \
        Value value;                                                                               \
        Index index;                                                                               \
    };                                                                                             \
    typedef struct pair_##Name p_##Name __attribute__((aligned(1)));                               \
    static void minloc_##Name(const void *left, void *right, int64_t count)                        \
    {                                                                                              \
        const p_##Name *restrict from = left;                                                      \
        p_##Name *restrict to = right;                                                             \
                                                                                                   \
        for (int64_t i = 0; i < count; i++)                                                        \
            if (from[i].value < to[i].value ||                                                     \
                (from[i].value == to[i].value && from[i].index < to[i].index)) {                   \
                to[i].value = from[i].value;                                                       \
                to[i].index = from[i].index;                                                       \
            }                                                                                      \
    }                                                                                              \
    static void maxloc_##Name(const void *left, void *right, int64_t count)                        \
    {                                                                                              \
        const p_##Name *restrict from = left;                                                      \
        p_##Name *restrict to = right;                                                             \
                                                                                                   \
        for (int64_t i = 0; i < count; i++)                                                        \
            if (from[i].value > to[i].value ||                                                     \
                (from[i].value == to[i].value && from[i].index < to[i].index)) {                   \
                to[i].value = from[i].value;                                                       \
                to[i].index = from[i].index;                                                       \
            }                                                                                      \
    }

PAIR_KERNELS(float_int, float, int)
PAIR_KERNELS(double_int, double, int)
PAIR_KERNELS(long_int, long, int)
PAIR_KERNELS(2int, int, int)
PAIR_KERNELS(short_int, short, int)
PAIR_KERNELS(long_double_int, long double, int)
PAIR_KERNELS(2real, float, float)
PAIR_KERNELS(2double_precision, double, double)

#define UNSIGNED_COLUMNS(Name)                                                                     \
    [COLUMN_U8] = Name##_u8, [COLUMN_U16] = Name##_u16, [COLUMN_U32] = Name##_u32,                 \
    [COLUMN_U64] = Name##_u64
/* Where the sign does not matter. */
#define INTEGER_COLUMNS(Name)                                                                      \
    UNSIGNED_COLUMNS(Name), [COLUMN_S8] = Name##_u8, [COLUMN_S16] = Name##_u16,                    \
                            [COLUMN_S32] = Name##_u32, [COLUMN_S64] = Name##_u64,                  \
                            [COLUMN_S128] = Name##_u128
#define SIGNED_COLUMNS(Name)                                                                       \
    [COLUMN_S8] = Name##_s8, [COLUMN_S16] = Name##_s16, [COLUMN_S32] = Name##_s32,                 \
    [COLUMN_S64] = Name##_s64, [COLUMN_S128] = Name##_s128
#define FLOAT_COLUMNS(Name)                                                                        \
    [COLUMN_F32] = Name##_f32, [COLUMN_F64] = Name##_f64, [COLUMN_F80] = Name##_f80,               \
    [COLUMN_F128] = Name##_f128
#define COMPLEX_COLUMNS(Name)                                                                      \
    [COLUMN_C32] = Name##_c32, [COLUMN_C64] = Name##_c64, [COLUMN_C80] = Name##_c80,               \
    [COLUMN_C128] = Name##_c128
#define LOGICAL_COLUMNS(Name)                                                                      \
    [COLUMN_L8] = Name##_u8, [COLUMN_L16] = Name##_u16, [COLUMN_L32] = Name##_u32,                 \
    [COLUMN_L64] = Name##_u64, [COLUMN_L128] = Name##_u128
#define PAIR_COLUMNS(Name)                                                                         \
    [COLUMN_FLOAT_INT] = Name##_float_int, [COLUMN_DOUBLE_INT] = Name##_double_int,                \
    [COLUMN_LONG_INT] = Name##_long_int, [COLUMN_2INT] = Name##_2int,                              \
    [COLUMN_SHORT_INT] = Name##_short_int, [COLUMN_LONG_DOUBLE_INT] = Name##_long_double_int,      \
    [COLUMN_2REAL] = Name##_2real, [COLUMN_2DOUBLE_PRECISION] = Name##_2double_precision

op_kernel *const op_kernels[OP_ROWS][OP_COLUMNS] = {
    [ROW_SUM] = {INTEGER_COLUMNS(sum), FLOAT_COLUMNS(sum), COMPLEX_COLUMNS(sum)},
    [ROW_PROD] = {INTEGER_COLUMNS(prod), FLOAT_COLUMNS(prod), COMPLEX_COLUMNS(prod)},
    [ROW_MIN] = {UNSIGNED_COLUMNS(min), SIGNED_COLUMNS(min), FLOAT_COLUMNS(min)},
    [ROW_MAX] = {UNSIGNED_COLUMNS(max), SIGNED_COLUMNS(max), FLOAT_COLUMNS(max)},
    [ROW_BAND] = {INTEGER_COLUMNS(band)},
    [ROW_BOR] = {INTEGER_COLUMNS(bor)},
    [ROW_BXOR] = {INTEGER_COLUMNS(bxor)},
    [ROW_LAND] = {INTEGER_COLUMNS(land), LOGICAL_COLUMNS(land)},
    [ROW_LOR] = {INTEGER_COLUMNS(lor), LOGICAL_COLUMNS(lor)},
    [ROW_LXOR] = {INTEGER_COLUMNS(lxor), LOGICAL_COLUMNS(lxor)},
    [ROW_MINLOC] = {PAIR_COLUMNS(minloc)},
    [ROW_MAXLOC] = {PAIR_COLUMNS(maxloc)},
};

/* Which bytes in front of a SYSCALL may be moved: the shapes of real libraries, the same with
 * registers that say otherwise, and generated runs of moves whose registers a small machine here
 * works out. */
#include "instance/syscall/shape.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define RIGHT(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static uint64_t stack[16];

static bool load(uint64_t address, uint64_t *value)
{
    if (address < 0x1000 || address > 0x1000 + sizeof(stack) - 8)
        return false;
    memcpy(value, (const uint8_t *)stack + (address - 0x1000), 8);
    return true;
}

static const struct trap_frame registers = {
    .error = 202,
    .rdi = 1,
    .rsi = 0x81,
    .rdx = 5,
    .rcx = 77,
    .r8 = 202,
    .r9 = 9,
    .r10 = 0,
    .rbx = 0x81,
    .rbp = 3,
    .r12 = 12,
    .rsp = 0x1000,
};

static bool recognise(const uint8_t *bytes, size_t count, const struct trap_frame *frame,
                      struct shape *shape)
{
    uint8_t before[SHAPE_WINDOW];

    memset(before, 0xc3, sizeof(before)); /* RET: nothing that may be moved */
    memcpy(before + SHAPE_WINDOW - count, bytes, count);
    return shape_recognise(before, frame, load, shape);
}

static void expect_run(const uint8_t *bytes, size_t count, unsigned length, unsigned breakpoints,
                       bool constant)
{
    struct shape shape;

    cr_assert(recognise(bytes, count, &registers, &shape));
    cr_expect_eq(shape.length, length, "%u bytes", shape.length);
    cr_expect_eq(shape.breakpoints, breakpoints, "breakpoints %x", shape.breakpoints);
    cr_expect_eq(shape.number_is_constant, constant);
    cr_expect_eq(shape.starts[shape.count], length);
}

static void expect_none(const uint8_t *bytes, size_t count, const struct trap_frame *frame)
{
    struct shape shape;

    cr_expect_not(recognise(bytes, count, frame, &shape));
}

Test(shape, of_real_libraries)
{
    expect_run(RIGHT(0xb8, 202, 0, 0, 0), 5, 0, true);                         /* mov eax, 202 */
    expect_run(RIGHT(0x48, 0xc7, 0xc0, 202, 0, 0, 0), 7, 0, true);             /* mov rax, 202 */
    expect_run(RIGHT(0xb8, 202, 0, 0, 0, 0x45, 0x31, 0xd2), 8, 0, true);       /* xor r10d, r10d */
    expect_run(RIGHT(0xb8, 202, 0, 0, 0, 0x40, 0x80, 0xf6, 0x81), 9, 0, true); /* xor sil, 0x81 */
    expect_run(RIGHT(0x4c, 0x89, 0xc0, 0x48, 0x89, 0xde), 6, 1 << 3, false);   /* musl's futex */
    expect_run(RIGHT(0x44, 0x89, 0xc0, 0x48, 0x89, 0xde), 6, 1 << 3, false);
    /* mov rsi, rcx; mov rdi, rbx: RCX is gone, the prefix and the second move speak for it. */
    struct trap_frame go = registers;
    go.rdi = go.rbx;
    struct shape shape;
    const uint8_t moves[] = {0x48, 0x89, 0xce, 0x48, 0x89, 0xdf};
    cr_expect(recognise(moves, sizeof(moves), &go, &shape));
    cr_expect_eq(shape.breakpoints, 1 << 3);
    stack[1] = 9; /* mov r9, [rsp + 8] */
    expect_run(RIGHT(0x4c, 0x8b, 0x4c, 0x24, 0x08), 5, 0, false);
}

Test(shape, xor_eax_and_what_is_in_front)
{
    struct trap_frame frame = registers;
    struct shape shape;
    const uint8_t longer[] = {0xbf, 1, 0, 0, 0, 0x31, 0xc0};  /* mov edi, 1; xor eax, eax */
    const uint8_t shorter[] = {0x48, 0x89, 0xde, 0x31, 0xc0}; /* mov rsi, rbx; xor eax, eax */

    frame.error = 0;
    cr_assert(recognise(longer, sizeof(longer), &frame, &shape));
    cr_expect_eq(shape.length, 7);
    cr_expect_eq(shape.breakpoints, 0);
    cr_assert(recognise(shorter, sizeof(shorter), &frame, &shape));
    cr_expect_eq(shape.length, 5);
    cr_expect_eq(shape.breakpoints, 1 << 3);
    expect_none(RIGHT(0x31, 0xc0), &frame); /* alone it is too short */
}

Test(shape, registers_that_say_otherwise)
{
    struct trap_frame frame = registers;

    frame.error = 201;
    expect_none(RIGHT(0xb8, 202, 0, 0, 0), &frame);
    expect_none(RIGHT(0x4c, 0x89, 0xc0, 0x48, 0x89, 0xde), &frame); /* RAX is not R8 */
    stack[1] = 10;
    expect_none(RIGHT(0x4c, 0x8b, 0x4c, 0x24, 0x08), &registers); /* [rsp + 8] is not R9 */
    frame.rsp = 0x5000;
    expect_none(RIGHT(0x4c, 0x8b, 0x4c, 0x24, 0x08), &frame); /* nor can it be read */
}

Test(shape, what_may_not_be_moved)
{
    expect_none(RIGHT(0x41, 0xb9, 202, 0, 0, 0), &registers);       /* mov r9d, not ecx */
    expect_none(RIGHT(0x66, 0xb8, 202, 0, 0, 0), &registers);       /* a 16-bit move, and more */
    expect_none(RIGHT(0xb8, 202, 0, 0, 0, 0x90), &registers);       /* nop */
    expect_none(RIGHT(0xb8, 202, 0, 0, 0, 0x74, 0x00), &registers); /* a jump */
    expect_none(RIGHT(0xe8, 202, 0, 0, 0), &registers);             /* a call */
    expect_none(RIGHT(0xb8, 202, 0, 0, 0, 0x48, 0x89, 0xdc), &registers);       /* mov rsp, rbx */
    expect_none(RIGHT(0xb8, 202, 0, 0, 0, 0x8b, 0x35, 1, 2, 3, 4), &registers); /* [rip + ...] */
    expect_none(RIGHT(0xb8, 202, 0, 0, 0, 0x80, 0xf4, 0x81), &registers);       /* xor ah */
    /* Two and two and one: the jump's highest byte would have to be a breakpoint. */
    struct trap_frame frame = registers;
    frame.error = 0;
    expect_none(RIGHT(0x31, 0xd2, 0x31, 0xf6, 0x31, 0xc0), &frame);
}

/* --- Generated ------------------------------------------------------------------------------- */

static uint64_t *slot(struct trap_frame *frame, unsigned number)
{
    uint64_t *slots[16] = {&frame->error, &frame->rcx, &frame->rdx, &frame->rbx,
                           &frame->rsp,   &frame->rbp, &frame->rsi, &frame->rdi,
                           &frame->r8,    &frame->r9,  &frame->r10, &frame->r11,
                           &frame->r12,   &frame->r13, &frame->r14, &frame->r15};
    return slots[number];
}

/* One instruction, done to *frame; returns its length. */
static size_t generate(uint8_t *out, struct trap_frame *frame)
{
    unsigned target = (unsigned)rand() % 16, source = (unsigned)rand() % 16;
    bool wide = rand() % 2;
    uint32_t value = rand() % 4 ? (uint32_t)rand() % 400 : (uint32_t)rand();
    uint8_t rex = (uint8_t)(0x40 | (wide ? 8 : 0));
    size_t length = 0;

    if (target == 4)
        target = 6;
    switch (rand() % 4) {
    case 0: /* mov r32, constant */
        if (target >= 8)
            out[length++] = 0x41;
        out[length++] = (uint8_t)(0xb8 | (target & 7));
        memcpy(out + length, &value, 4);
        *slot(frame, target) = value;
        return length + 4;
    case 1: /* mov r64, constant with its sign */
        out[length++] = (uint8_t)(0x48 | target >> 3);
        out[length++] = 0xc7;
        out[length++] = (uint8_t)(0xc0 | (target & 7));
        memcpy(out + length, &value, 4);
        *slot(frame, target) = (uint64_t)(int64_t)(int32_t)value;
        return length + 4;
    case 2: /* mov r, r */
        rex |= (uint8_t)((source >> 3) << 2 | target >> 3);
        if (rex != 0x40)
            out[length++] = rex;
        out[length++] = 0x89;
        out[length++] = (uint8_t)(0xc0 | (source & 7) << 3 | (target & 7));
        *slot(frame, target) = wide ? *slot(frame, source) : (uint32_t)*slot(frame, source);
        return length;
    default: /* xor r32, r32 */
        if (target >= 8)
            out[length++] = 0x45;
        out[length++] = 0x31;
        out[length++] = (uint8_t)(0xc0 | (target & 7) << 3 | (target & 7));
        *slot(frame, target) = 0;
        return length;
    }
}

Test(shape, generated_runs)
{
    unsigned taken = 0, tried = 200000;

    srand(20261122);
    for (unsigned turn = 0; turn < tried; turn++) {
        uint8_t bytes[64], ends[64] = {0};
        struct trap_frame frame = registers;
        struct shape shape;
        size_t length = 0;

        for (unsigned i = 0; i < 16; i++)
            *slot(&frame, i) = (uint64_t)rand() << 32 | (uint64_t)rand();
        frame.rsp = 0x1000;
        while (length < SHAPE_WINDOW - 8) { /* the longest is 7 bytes */
            ends[length] = 1;
            length += generate(bytes + length, &frame);
        }
        if (length > SHAPE_WINDOW)
            continue;
        frame.rcx = 0xdead; /* the SYSCALL's own */
        frame.r11 = 0xbeef;
        if (!recognise(bytes, length, &frame, &shape))
            continue;
        taken++;
        cr_assert(shape.length >= SHAPE_JUMP && shape.length <= SHAPE_MAX);
        for (unsigned i = 0; i < shape.count; i++) {
            size_t at = length - shape.length + shape.starts[i];
            cr_assert(ends[at], "turn %u: no instruction begins at byte %zu", turn, at);
            cr_assert_eq((shape.breakpoints >> shape.starts[i]) & 1,
                         shape.starts[i] > 0 && shape.starts[i] < SHAPE_JUMP);
        }
    }
    cr_expect_gt(taken, tried / 3, "only %u of %u", taken, tried);
}

/* Any bytes: no run that is not made of whole instructions, and nothing beyond the window. */
Test(shape, any_bytes)
{
    srand(4);
    for (unsigned turn = 0; turn < 300000; turn++) {
        uint8_t *before = malloc(SHAPE_WINDOW);
        struct trap_frame frame = {.error = (uint64_t)rand() % 3};
        struct shape shape;

        for (unsigned i = 0; i < SHAPE_WINDOW; i++)
            before[i] = (uint8_t)(rand() % 3 ? rand()
                                             : (const uint8_t[]){0x48, 0x89, 0x31, 0xb8, 0xc0,
                                                                 0}[rand() % 6]);
        if (shape_recognise(before, &frame, load, &shape)) {
            cr_assert(shape.length <= SHAPE_MAX && shape.count <= SHAPE_INSTRUCTIONS);
            for (unsigned i = 0; i < shape.count; i++)
                cr_assert_lt(shape.starts[i], shape.starts[i + 1]);
        }
        free(before);
    }
}

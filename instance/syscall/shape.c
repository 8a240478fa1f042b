/* The shapes of system call sites that can be patched: a run of plain moves (and arithmetic with
 * constants) in front of the SYSCALL, five bytes or more, which a trampoline does in their place.
 *
 *   mov eax, 39; syscall                           most of glibc and Go
 *   mov eax, 202; xor esi, esi; syscall            ... with arguments set behind the number
 *   xor eax, eax; syscall                          read; what stands in front of it moves too
 *   mov rax, r8; mov rsi, rdx; syscall             musl
 *   mov r9, [rsp + 8]; syscall                     syscall() of glibc, which takes any number
 *
 * Instructions have no marks where they begin. What is taken for one is therefore checked: a run
 * counts only if one of its moves, the first where that can be known, would have put into its
 * register just what the register has. Instructions behind the first that are overwritten by the
 * jump may be jumped to (a loop's, a case's): see shape.breakpoints. */
#include "instance/syscall/shape.h"

#include "instance/string.h"

#define REGISTER_RAX 0
#define REGISTER_RCX 1
#define REGISTER_RSP 4
#define REGISTER_R11 11
#define CLOBBERED ((1u << REGISTER_RCX) | (1u << REGISTER_R11)) /* by the SYSCALL itself */
#define DISTANCE_TOP 4 /* the jump's byte that decides how far and which way it goes */

enum kind {
    MOVE_REGISTER,  /* target = source */
    MOVE_CONSTANT,  /* target = constant */
    LOAD_STACK,     /* target = 8 bytes at RSP + constant */
    OTHER_REGISTER, /* changes target alone, in a way that cannot be checked */
    STORE,          /* changes memory alone */
};

struct instruction {
    enum kind kind;
    uint32_t length, target, source;
    bool wide; /* 64 bits are moved; else 32, and the rest becomes 0 */
    uint64_t constant;
};

struct prefix {
    bool present, wide;
    uint32_t reg, index, base; /* 8 or 0, to be added */
};

static uint64_t signed32(const uint8_t *bytes)
{
    int32_t value;
    memcpy(&value, bytes, sizeof value);
    return (uint64_t)(int64_t)value;
}

/* Length of ModRM, SIB and displacement; 0: relative to RIP, which would have to be rewritten, or
 * not all there. */
static uint32_t operand_length(const uint8_t *bytes, uint32_t left)
{
    if (!left)
        return 0;
    uint32_t mode = bytes[0] >> 6, low = bytes[0] & 7, length = 1;
    if (mode == 3)
        return 1;
    if (low == 4) {
        if (left < 2)
            return 0;
        length++;
        if (mode == 0 && (bytes[1] & 7) == 5)
            length += 4;
    } else if (mode == 0 && low == 5) {
        return 0;
    }
    length += mode == 1 ? 1 : mode == 2 ? 4 : 0;
    return length <= left ? length : 0;
}

/* Opcodes with ModRM: moves, LEA, and what loads or clears. `at`: behind the opcode. */
static bool decode_operands(uint8_t opcode, const uint8_t *at, uint32_t left,
                            const struct prefix *prefix, struct instruction *out)
{
    uint32_t length = operand_length(at, left);
    if (!length)
        return false;
    uint32_t reg = ((at[0] >> 3) & 7) + prefix->reg, low = (at[0] & 7) + prefix->base;
    bool direct = at[0] >> 6 == 3, stack = (at[0] & 0xc7) == 0x44 && at[1] == 0x24;
    out->length += length;
    out->wide = prefix->wide;
    out->target = reg;
    switch (opcode) {
    case 0x89: /* mov r/m, r */
        out->kind = direct ? MOVE_REGISTER : STORE;
        out->target = low;
        out->source = reg;
        return true;
    case 0x8b: /* mov r, r/m */
        out->kind = direct ? MOVE_REGISTER : OTHER_REGISTER;
        out->source = low;
        if (stack && prefix->wide && !prefix->index && !prefix->base) {
            out->kind = LOAD_STACK;
            out->constant = (uint64_t)(int64_t)(int8_t)at[2];
        }
        return true;
    case 0x63: /* movsxd r, r/m */
        out->kind = OTHER_REGISTER;
        return true;
    case 0x8d: /* lea */
        out->kind = OTHER_REGISTER;
        return !direct;
    case 0x31: /* xor r, r: zero */
    case 0x33:
        out->kind = MOVE_CONSTANT;
        out->constant = 0;
        return direct && reg == low;
    default:
        return false;
    }
}

/* Arithmetic of a register with a constant, and moves of constants. */
static bool decode_constant(const uint8_t *at, uint32_t left, const struct prefix *prefix,
                            struct instruction *out)
{
    uint8_t opcode = at[0];
    out->wide = prefix->wide;
    if ((opcode & 0xf8) == 0xb8) { /* mov r32, constant */
        if (prefix->wide || left < 5)
            return false;
        out->kind = MOVE_CONSTANT;
        out->target = (opcode & 7u) + prefix->base;
        out->constant = (uint32_t)signed32(at + 1);
        out->length += 5;
        return true;
    }
    if (left < 3 || at[1] >> 6 != 3)
        return false;
    out->target = (at[1] & 7) + prefix->base;
    if (opcode == 0xc7) { /* mov r, constant */
        if (left < 6 || (at[1] & 0x38))
            return false;
        out->kind = MOVE_CONSTANT;
        out->constant = prefix->wide ? signed32(at + 2) : (uint32_t)signed32(at + 2);
        out->length += 6;
        return true;
    }
    /* Without the prefix, byte registers 4 to 7 are AH to BH: not told apart here, refused. */
    if (opcode != 0x81 && opcode != 0x83 && !(opcode == 0x80 && prefix->present))
        return false;
    out->kind = OTHER_REGISTER;
    out->length += opcode == 0x81 ? 6 : 3;
    return (opcode != 0x81 || left >= 6) && out->target != REGISTER_RSP;
}

/* The instruction at bytes[0]; false: none that may be moved. */
static bool decode(const uint8_t *bytes, uint32_t left, struct instruction *out)
{
    struct prefix prefix = {0};
    *out = (struct instruction){0};
    if (left && (bytes[0] & 0xf0) == 0x40) {
        uint8_t byte = bytes[0];
        prefix =
            (struct prefix){true, byte & 8, byte & 4 ? 8 : 0, byte & 2 ? 8 : 0, byte & 1 ? 8 : 0};
        bytes++, left--;
        out->length++;
    }
    if (left < 2)
        return false;
    switch (bytes[0]) {
    case 0x31:
    case 0x33:
    case 0x63:
    case 0x89:
    case 0x8b:
    case 0x8d:
        out->length++;
        if (!decode_operands(bytes[0], bytes + 1, left - 1, &prefix, out))
            return false;
        break;
    default:
        if (!decode_constant(bytes, left, &prefix, out))
            return false;
    }
    /* A changed stack pointer would be no harm, but is in no system call's shape. */
    return out->kind == STORE || out->target != REGISTER_RSP;
}

static uint64_t register_value(const struct trap_frame *frame, uint32_t number)
{
    const uint64_t values[16] = {frame->error, frame->rcx, frame->rdx, frame->rbx,
                                 frame->rsp,   frame->rbp, frame->rsi, frame->rdi,
                                 frame->r8,    frame->r9,  frame->r10, frame->r11,
                                 frame->r12,   frame->r13, frame->r14, frame->r15};
    return values[number];
}

/* Would `move` give its register the value that it has? `later`: registers that are changed behind
 * it. Unknown is 0. */
static int check(const struct instruction *move, uint32_t later, const struct trap_frame *frame,
                 shape_load_t load)
{
    uint64_t value;
    if (move->kind == OTHER_REGISTER || move->kind == STORE || (later >> move->target & 1))
        return 0;
    if (move->kind == MOVE_REGISTER) {
        if (later >> move->source & 1)
            return 0;
        value = register_value(frame, move->source);
    } else if (move->kind == LOAD_STACK) {
        if (!load(frame->rsp + move->constant, &value))
            return 0;
    } else {
        value = move->constant;
    }
    if (!move->wide)
        value = (uint32_t)value;
    return value == register_value(frame, move->target) ? 1 : -1;
}

/* Could the byte before the first instruction belong to it? */
static bool is_prefix(uint8_t byte)
{
    return (byte & 0xf0) == 0x40 || byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 ||
           byte == 0xf3 || byte == 0x0f || (byte & 0xfe) == 0x64 || (byte & 0xe7) == 0x26;
}

/* `first` looks like a REX prefix. Could it be the last byte of the instruction in front instead: a
 * displacement, a constant? Then the run would begin one byte later, and may not be touched.
 * Constants of 32 bits are looked for where moves and arithmetic have them; a displacement or a
 * jump's distance of a gigabyte is in no program that is mapped near its code. */
static bool is_perhaps_shared(const uint8_t *first)
{
    uint8_t one = first[-1], two = first[-2], four = first[-4], five = first[-5];
    bool displacement = one >> 6 == 1 || (two & 0xc7) == 0x44, index = (one & 0xc7) == 0x04;
    bool byte = one == 0x6a || one == 0xeb || (one & 0xf8) == 0xb0 || one == 0xa8 ||
                (one & 0xc7) == 0x04 || one >> 4 == 0xe || (two & 0xfc) == 0x80 ||
                (two & 0xfe) == 0xc0 || two == 0x6b || two == 0xc6 || two == 0xf6;
    bool word = (four & 0xf8) == 0xb8 || (four & 0xc7) == 0x05 || four == 0x68 || four == 0xa9 ||
                five == 0x81 || five == 0xc7 || five == 0xf7 || five == 0x69;
    return displacement || index || byte || word;
}

/* Is the run of `length` bytes at `bytes` made of instructions that are what they seem? */
static bool is_run(const uint8_t *bytes, uint32_t length, const struct trap_frame *frame,
                   shape_load_t load, struct shape *shape)
{
    struct instruction run[SHAPE_INSTRUCTIONS];
    uint32_t at = 0;
    *shape = (struct shape){.length = length};
    while (at < length) {
        struct instruction *next = &run[shape->count];
        if (shape->count == SHAPE_INSTRUCTIONS || !decode(bytes + at, length - at, next))
            return false;
        if (at && at < SHAPE_JUMP)
            shape->breakpoints |= 1u << at;
        shape->starts[shape->count++] = (uint8_t)at;
        at += next->length;
    }
    shape->starts[shape->count] = (uint8_t)at;
    if (shape->breakpoints >> DISTANCE_TOP & 1)
        return false; /* it would jump 800 MiB down: mostly to where no memory can be */
    uint32_t later = CLOBBERED;
    bool one_holds = false;
    for (uint32_t i = shape->count; i-- > 0;) {
        int holds = check(&run[i], later, frame, load);
        if (holds < 0)
            return false;
        one_holds |= holds > 0;
        if (holds && run[i].kind == MOVE_CONSTANT && run[i].target == REGISTER_RAX)
            shape->number_is_constant = true;
        if (i == 0 && !holds && !(run[i].kind == MOVE_REGISTER && run[i].wide))
            return false;
        if (run[i].kind != STORE)
            later |= 1u << run[i].target;
    }
    return one_holds;
}

bool shape_recognise(const uint8_t before[SHAPE_WINDOW], const struct trap_frame *frame,
                     shape_load_t load, struct shape *shape)
{
    for (uint32_t length = SHAPE_JUMP; length <= SHAPE_MAX; length++) {
        const uint8_t *first = before + SHAPE_WINDOW - length;
        bool prefixed = (first[0] & 0xf0) == 0x40;
        if (!is_prefix(first[-1]) && !(prefixed && is_perhaps_shared(first)) &&
            is_run(first, length, frame, load, shape))
            return true;
    }
    return false;
}

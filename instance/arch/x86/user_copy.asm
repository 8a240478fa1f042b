; The instructions that touch the program's memory on the kernel's behalf, and that may fault.
;
; All lie between user_access_begin and user_access_end and keep the stack as they found it, so that
; the page-fault handler can make any of them return -EFAULT by going on at user_access_fault
; (user_fixup in instance/mm/user.c). Between user_nofault_begin and user_nofault_end the handler
; must not bring pages in: the caller holds a spinlock.
;
; System V calls: arguments in rdi, rsi, rdx, rcx; result in rax; the direction flag is clear.

bits 64
default rel

%define EFAULT 14
%define STRING_MINIMUM 512      ; bytes from which a fast rep movsb beats plain moves

global user_access_begin, user_access_end, user_access_fault
global user_nofault_begin, user_nofault_end
global user_access_copy, user_access_clear, user_access_string
global user_access_load_u32, user_access_cmpxchg_u32
global user_fast_string

section .data
; Not 0: the CPU has enhanced rep movsb (CPUID 7 EBX bit 9); set by user_init. Slow without it, and
; ten times slower under TCG.
user_fast_string: db 0

section .text
user_access_begin:

; int64_t user_access_copy(void *to, const void *from, size_t length)
align 16
user_access_copy:
    cmp rdx, 64
    jb .words
    cmp rdx, STRING_MINIMUM
    jb .lines
    cmp byte [user_fast_string], 0
    je .lines
    mov rcx, rdx
    rep movsb
    xor eax, eax
    ret
align 16
.lines:                         ; 64 bytes a turn
    mov rax, [rsi]
    mov rcx, [rsi + 8]
    mov r8, [rsi + 16]
    mov r9, [rsi + 24]
    mov [rdi], rax
    mov [rdi + 8], rcx
    mov [rdi + 16], r8
    mov [rdi + 24], r9
    mov rax, [rsi + 32]
    mov rcx, [rsi + 40]
    mov r8, [rsi + 48]
    mov r9, [rsi + 56]
    mov [rdi + 32], rax
    mov [rdi + 40], rcx
    mov [rdi + 48], r8
    mov [rdi + 56], r9
    add rsi, 64
    add rdi, 64
    sub rdx, 64
    cmp rdx, 64
    jae .lines
.words:
    sub rdx, 8
    jb .bytes
    mov rax, [rsi]
    mov [rdi], rax
    add rsi, 8
    add rdi, 8
    jmp .words
.bytes:
    add rdx, 8
    jz .done
.byte:
    mov al, [rsi]
    mov [rdi], al
    inc rsi
    inc rdi
    dec rdx
    jnz .byte
.done:
    xor eax, eax
    ret

; int64_t user_access_clear(void *to, size_t length)
align 16
user_access_clear:
    mov rdx, rsi
    xor eax, eax
    cmp rdx, STRING_MINIMUM
    jb .words
    cmp byte [user_fast_string], 0
    je .lines
    mov rcx, rdx
    rep stosb
    ret
align 16
.lines:                         ; at least 64 bytes are left
    mov [rdi], rax
    mov [rdi + 8], rax
    mov [rdi + 16], rax
    mov [rdi + 24], rax
    mov [rdi + 32], rax
    mov [rdi + 40], rax
    mov [rdi + 48], rax
    mov [rdi + 56], rax
    add rdi, 64
    sub rdx, 64
    cmp rdx, 64
    jae .lines
.words:
    sub rdx, 8
    jb .bytes
    mov [rdi], rax
    add rdi, 8
    jmp .words
.bytes:
    add rdx, 8
    jz .done
.byte:
    mov [rdi], al
    inc rdi
    dec rdx
    jnz .byte
.done:
    ret

; int64_t user_access_string(char *to, const char *from, size_t capacity): copies up to and with the
; NUL, at most `capacity` bytes. Returns the length without NUL, or `capacity` when there was none.
align 16
user_access_string:
    xor eax, eax
.byte:
    cmp rax, rdx
    jae .done
    mov cl, [rsi + rax]
    mov [rdi + rax], cl
    test cl, cl
    jz .done
    inc rax
    jmp .byte
.done:
    ret

user_nofault_begin:

; int64_t user_access_load_u32(uint32_t *to, const uint32_t *from)
align 16
user_access_load_u32:
    mov eax, [rsi]
    mov [rdi], eax
    xor eax, eax
    ret

; int64_t user_access_cmpxchg_u32(uint32_t *at, uint32_t expected, uint32_t desired, uint32_t *seen)
align 16
user_access_cmpxchg_u32:
    mov eax, esi
    lock cmpxchg [rdi], edx
    mov [rcx], eax
    xor eax, eax
    ret

user_nofault_end:
user_access_end:

; Where a fault in one of the above goes on.
align 16
user_access_fault:
    mov rax, -EFAULT
    ret

section .note.GNU-stack noalloc noexec nowrite progbits

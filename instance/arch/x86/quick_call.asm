; The quick ways of system calls from patched sites (quick_call.h). RCX = where to go on; the program's
; stack; RAX and R11 may be changed, RAX in the last step only, with JMP RCX behind it: an interrupt
; in between has the program repeat the call. GS:24 = current thread, GS:48 counts.

default rel

THREAD_ID equ 56                        ; offsetof(struct thread, id); see sched/thread.c

%macro COUNTED 0
    inc qword [gs:48]
%endmacro

section .text
align 16
global quick_call_begin, quick_call_end
quick_call_begin:
quick_zero:                             ; ids of the user and the parent
    COUNTED
    xor eax, eax
    jmp rcx
align 16
quick_process:                          ; the process's id
    COUNTED
    mov eax, 1
    jmp rcx
align 16
quick_thread:
    COUNTED
    mov r11, [gs:24]
    mov eax, [r11 + THREAD_ID]
    jmp rcx
quick_call_end:
global quick_call_size
quick_call_size equ quick_call_end - quick_call_begin

; uintptr_t quick_call(uint64_t number)
global quick_call
quick_call:
    lea rax, [quick_process]
    cmp rdi, 39                         ; getpid
    je .found
    cmp rdi, 111                        ; getpgrp
    je .found
    lea rax, [quick_thread]
    cmp rdi, 186                        ; gettid
    je .found
    lea rax, [quick_zero]
    cmp rdi, 102                        ; getuid
    je .found
    cmp rdi, 104                        ; getgid
    je .found
    cmp rdi, 107                        ; geteuid
    je .found
    cmp rdi, 108                        ; getegid
    je .found
    cmp rdi, 110                        ; getppid
    je .found
    xor eax, eax
.found:
    ret

section .note.GNU-stack noalloc noexec nowrite progbits

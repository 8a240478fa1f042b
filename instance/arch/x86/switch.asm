; Switching kernel stacks, and the first steps of a new thread. System V calling convention.

section .text

; void context_switch(uintptr_t *save, uintptr_t load)
; Callee-saved registers go to this stack, RSP to *save; the rest of the call returns on the other.
global context_switch
context_switch:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [rdi], rsp
    mov rsp, rsi
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

; Where a fresh stack (context_prepare) first continues: R12 = entry, R13 = argument.
global context_begin
context_begin:
    mov rdi, r13
    xor ebp, ebp                        ; a backtrace ends here
    call r12
    ud2                                 ; entry functions never return

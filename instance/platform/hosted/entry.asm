; Every way into the kernel on `hosted`, and back to the program. All entries build a struct
; trap_frame (instance/arch/x86/frame.h) on the thread's kernel stack.
;
; GS always points to this core's struct core: GS:0 itself, GS:8 top of the current thread's kernel
; stack, GS:16 scratch, GS:32 interrupts off, GS:36 pending, GS:40 work to do before the program goes
; on. Interrupts are host signals; the handler (signal.c) looks at RIP to know what it has
; interrupted:
;
;   hosted_enter_begin..end   a system call on its way in: what came waits in `pending`
;   hosted_leave_begin..end   the last steps to the program, interrupts on: taken again from
;                             hosted_leave_again, with the frame still whole at the stack's top
;   hosted_wait_begin..end    the last look before a wait: the wait does not happen

default rel

TRAP_SYSCALL  equ 256
PROGRAM_CS    equ 0x33
PROGRAM_SS    equ 0x2b
FRAME_SIZE    equ 22 * 8
FRAME_VECTOR  equ 15 * 8
FRAME_RIP     equ 17 * 8
FRAME_RFLAGS  equ 19 * 8
FRAME_RBP     equ 4 * 8
SYS_RT_SIGRETURN equ 15
SYS_FUTEX     equ 202
SYS_EXIT      equ 60

%include "instance/arch/x86/frame.inc"

section .text
extern hosted_start, hosted_secondary_start, hosted_trap, hosted_before_return, syscall_dispatch
extern hosted_take_pending, hosted_signal, trap_return_to_program
extern kernel_text_start, kernel_text_end

; The process's first instruction: the host's stack with arguments, environment, auxiliary vector.
global hosted_entry
hosted_entry:
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov rdi, rsp
    mov rsi, rax
    xor ebp, ebp
    and rsp, -16
    call hosted_start
    ud2

; int64_t hosted_clone(uint64_t flags, void *stack, struct core *core): a thread for `core`, on
; `stack`. Returns its number or a negative errno value.
global hosted_clone
hosted_clone:
    push r12
    mov r12, rdx
    xor edx, edx
    xor r10d, r10d
    xor r8d, r8d
    mov eax, 56                         ; clone
    syscall
    test rax, rax
    jz .child
    pop r12
    ret
.child:
    xor ebp, ebp
    mov rdi, r12
    call hosted_secondary_start
    ud2

; Where signal handlers return to.
global hosted_restorer
hosted_restorer:
    mov eax, SYS_RT_SIGRETURN
    syscall
    ud2

; The handler of all signals: RDI = signal, RSI = siginfo, RDX = ucontext, on the core's signal stack,
; RSP 8 modulo 16.
global hosted_signal_entry
hosted_signal_entry:
    xor ebp, ebp
    jmp hosted_signal

; int64_t hosted_wait(uint32_t *word, uint32_t value, const struct timespec *timeout): futex wait,
; unless something is pending. A signal ends it, wherever it comes.
global hosted_wait, hosted_wait_begin, hosted_wait_end
hosted_wait:
    mov r10, rdx
    mov edx, esi
    xor esi, esi                        ; FUTEX_WAIT, between processes
    mov eax, SYS_FUTEX
hosted_wait_begin:
    cmp dword [gs:36], 0
    jne hosted_wait_end
    syscall
hosted_wait_end:
    ret

; --- System calls from patched sites -----------------------------------------------------------------
; A jump, not a call: RCX = where to go on, all else as at the site, RSP the program's, whose red zone
; must not be touched. Flags are the program's.
align 16
global hosted_syscall_entry, hosted_enter_begin, hosted_enter_end
hosted_enter_begin:
hosted_syscall_entry:
    mov [gs:16], rsp
    mov rsp, [gs:8]
    push PROGRAM_SS
    push qword [gs:16]
    pushfq
    push PROGRAM_CS
    push rcx
    push rax                            ; error = the call's number
    push TRAP_SYSCALL
    mov r11, [rsp + 4 * 8]              ; as SYSCALL leaves it: the flags
    SAVE_GENERAL
hosted_enter_end:
    cld
    cmp dword [gs:36], 0
    jne .pending
.go:
    mov rdi, rsp
    xor ebp, ebp
    call syscall_dispatch
    mov dword [gs:32], 1
    mov rdi, rsp
    call trap_return_to_program
    jmp hosted_leave
.pending:
    call hosted_take_pending
    jmp .go

; --- Back to the program -----------------------------------------------------------------------------
; RSP = the frame, at the top of the kernel stack; interrupts off.
align 16
hosted_leave:
    mov dword [gs:32], 0
global hosted_leave_begin, hosted_leave_end, hosted_leave_again
hosted_leave_begin:
    mov eax, [gs:36]
    or eax, [gs:40]
    jnz hosted_leave_again
    cmp qword [rsp + FRAME_VECTOR], TRAP_SYSCALL
    jne .all
    mov rcx, [rsp + FRAME_RIP]          ; registers as SYSCALL leaves them need no IRETQ
    cmp rcx, [rsp + 11 * 8]             ; rcx
    jne .all
    mov r11, [rsp + FRAME_RFLAGS]
    cmp r11, [rsp + 6 * 8]              ; r11
    jne .all
    RESTORE_GENERAL
    mov rsp, [rsp + 5 * 8]
    jmp rcx
.all:
    RESTORE_GENERAL
    add rsp, 16                         ; vector, error
    iretq                               ; within ring 3: all registers at once
hosted_leave_end:

; Something has to be done first. RSP = the frame.
hosted_leave_again:
    mov dword [gs:32], 1
    mov rdi, rsp
    call hosted_before_return
    jmp hosted_leave

; noreturn void context_enter_program(struct trap_frame *frame)
global context_enter_program
context_enter_program:
    mov dword [gs:32], 1
    mov rsp, rdi
    call hosted_before_return
    jmp hosted_leave

; --- Exceptions, interrupts of the program, trapped system calls --------------------------------------
; The signal handler has left the frame at RSP and set interrupts off.
align 16
global hosted_trap_entry
hosted_trap_entry:
    cld
    mov rdi, rsp
    xor ebp, ebp
    lea rax, [kernel_text_start]
    mov rbx, [rsp + FRAME_RIP]
    sub rbx, rax
    lea rcx, [kernel_text_end]
    sub rcx, rax
    cmp rbx, rcx
    jae .program
    mov rbp, [rsp + FRAME_RBP]          ; the interrupted kernel's own frame chain
    call hosted_trap
    bt qword [rsp + FRAME_RFLAGS], 9    ; interrupts on there?
    jnc .kernel
    mov dword [gs:32], 0
    cmp dword [gs:36], 0
    je .kernel
    call hosted_take_pending
.kernel:
    RESTORE_GENERAL
    add rsp, 16
    iretq
.program:
    call hosted_trap
    jmp hosted_leave

section .note.GNU-stack noalloc noexec nowrite progbits

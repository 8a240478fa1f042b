; Every way into the kernel on `pc`, and back to the program. Program and kernel both run in ring 0.
; All entries build a struct trap_frame (instance/arch/x86/frame.h) on the thread's kernel stack.
; GS always points to this core's struct core: GS:0 itself, GS:8 top of the current thread's kernel
; stack, GS:16 scratch.

STACK_SIZE   equ 4 * 4096               ; KERNEL_STACK_SIZE
STACK_MARGIN equ 512                    ; a kernel stack with less room than this has overflowed
TRAP_SYSCALL equ 256                    ; TRAP_SYSCALL
CODE         equ 0x08
DATA         equ 0x10
FLAGS_MASKED equ 0x44500                ; AC, NT, DF, TF: not the kernel's

%include "instance/arch/x86/frame.inc"

section .text
extern pc_start, pc_secondary_start, pc_trap, trap_return_to_program, syscall_dispatch, pc_fatal_trap
extern patch_site, quick_call_begin, quick_call_size

; The first instruction of an instance: RDI = handover record, the loader's stack, interrupts off.
global pc_entry
pc_entry:
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov rsi, rax
    call pc_start
    ud2

; Another core of the group: RDI = its struct core, its idle thread's stack.
global pc_secondary_entry
pc_secondary_entry:
    call pc_secondary_start
    ud2

; --- System calls ----------------------------------------------------------------------------------
; The SYSCALL instruction: RCX = return address, R11 = RFLAGS, interrupts off by the flag mask, RSP
; still the program's, whose red zone must not be touched.
align 16
global pc_syscall_entry
pc_syscall_entry:
    mov [gs:16], rsp
    mov rsp, [gs:8]
    push DATA
    push qword [gs:16]
    push r11
    push CODE
    push rcx
    push rax                            ; error = the call's number
    push TRAP_SYSCALL
    SAVE_GENERAL
    sti
    mov rdi, rsp
    lea rsi, [rel pc_patched_entry]
    xor ebp, ebp                        ; a backtrace through here ends
    call patch_site                     ; from the next time on it comes the other way
    mov rdi, rsp
    call syscall_dispatch
pc_syscall_leave:
    cli
    mov rdi, rsp
    call trap_return_to_program           ; signals, rescheduling; interrupts still off
    ; Registers that still are as SYSCALL left them need no IRETQ (which costs four times as much).
    cmp qword [rsp + 15 * 8], TRAP_SYSCALL ; rt_sigreturn has replaced them all
    jne pc_leave
    mov rcx, [rsp + 17 * 8]             ; rip
    cmp rcx, [rsp + 11 * 8]             ; rcx
    jne pc_leave
    mov r11, [rsp + 19 * 8]             ; rflags
    cmp r11, [rsp + 6 * 8]              ; r11
    jne pc_leave
    RESTORE_GENERAL
    mov rsp, [rsp + 5 * 8]              ; rsp; the rest of the frame is dead
    sti                                 ; takes effect behind the next instruction
    jmp rcx

; From a patched site, by a jump: RCX = where to go on, all else as at the site, interrupts on. One
; that comes before RSP is the kernel's stays on its own stack.
align 16
pc_patched_entry:
    mov [gs:16], rsp
    mov rsp, [gs:8]
    push DATA
    push qword [gs:16]
    pushfq
    push CODE
    push rcx
    push rax                            ; error = the call's number
    push TRAP_SYSCALL
    mov r11, [rsp + 4 * 8]              ; as SYSCALL leaves it: the flags
    test r11d, FLAGS_MASKED
    jnz .flags
.save:
    SAVE_GENERAL
    mov rdi, rsp
    xor ebp, ebp
    call syscall_dispatch
    jmp pc_syscall_leave
.flags:
    push 0x202                          ; as SYSCALL has the kernel start: interrupts alone
    popfq
    jmp .save

; Back to the program with all of the frame at RSP.
align 16
global pc_leave
pc_leave:
    RESTORE_GENERAL
    add rsp, 16                         ; vector, error
    iretq

; noreturn void context_enter_program(struct trap_frame *frame)
global context_enter_program
context_enter_program:
    cli
    mov rsp, rdi
    call trap_return_to_program
    jmp pc_leave

; --- Exceptions and interrupts -----------------------------------------------------------------------
; The CPU has switched to an interrupt stack (IST), so that the program's red zone is safe. From there
; the frame goes to the thread's kernel stack: to its top when the program was interrupted, below the
; interrupted RSP when the kernel was (it has no red zone). An RSP that is not in the kernel stack (early
; boot, overflow) keeps the frame on the interrupt stack, where nothing may sleep.

; On entry: vector, error, rip, cs, rflags, rsp, ss on the interrupt stack.
align 16
trap_common:
    push rax
    push rbx
    mov rbx, rsp                        ; [rbx] rbx, rax, vector, error, rip, cs, rflags, rsp, ss
    mov rax, [gs:8]
    bt qword [rbx + 32], 63             ; rip in the kernel's half?
    jnc .copy                           ; the program: to the top of its kernel stack
    lea rax, [rel quick_call_begin]     ; so are the quick calls (arch/x86/quick_call.h)
    sub rax, [rbx + 32]
    neg rax
    cmp rax, quick_call_size
    mov rax, [gs:8]
    jb .quick
    sub rax, [rbx + 56]                 ; how deep is the interrupted RSP in the kernel stack?
    cmp rax, STACK_SIZE - STACK_MARGIN
    mov rax, [rbx + 56]
    jbe .copy
    mov rax, rbx                        ; not in it: stay here, below what the CPU pushed
.copy:
    and rax, -16
    mov rsp, rax
    push qword [rbx + 64]               ; ss
    push qword [rbx + 56]               ; rsp
    push qword [rbx + 48]               ; rflags
    push qword [rbx + 40]               ; cs
    push qword [rbx + 32]               ; rip
    push qword [rbx + 24]               ; error
    push qword [rbx + 16]               ; vector
    mov rax, [rbx + 8]
    mov rbx, [rbx]
    SAVE_GENERAL
    cld
    mov rdi, rsp
    xor ebp, ebp
    bt qword [rsp + 17 * 8], 63
    jnc .call
    mov rbp, [rsp + 4 * 8]              ; the interrupted kernel's own frame chain
.call:
    mov rbx, rsp
    and rsp, -16
    call pc_trap                        ; interrupts off on return
    mov rsp, rbx
    jmp pc_leave

.quick:
    mov rax, [rbx + 32]
    cmp word [rax], 0xe1ff              ; only JMP RCX is left: done
    mov rax, rcx
    je .left
    sub rax, 2                          ; not begun: in front of the SYSCALL
.left:
    mov [rbx + 32], rax
    mov rax, [gs:8]
    jmp .copy

; Non-maskable interrupt, double fault, machine check: each on a stack of its own, where it stays.
align 16
trap_fatal:
    SAVE_GENERAL
    cld
    mov rdi, rsp
    mov rbp, [rsp + 4 * 8]
    mov rbx, rsp
    and rsp, -16
    call pc_fatal_trap
    mov rsp, rbx
    jmp pc_leave

; One stub for each vector, 16 bytes apart.
align 16
global pc_trap_stubs
pc_trap_stubs:
%assign vector 0
%rep 256
    align 16
    %if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21 && vector != 29 && vector != 30
    push 0                              ; no error code from the CPU
    %endif
    push vector
    %if vector == 2 || vector == 8 || vector == 18
    jmp trap_fatal
    %else
    jmp trap_common
    %endif
    %assign vector vector + 1
%endrep

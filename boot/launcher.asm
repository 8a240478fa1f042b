; The launcher: the page through which every core comes up and to which it returns (abi/launch.h).
; Copied to LAUNCH_PHYSICAL; position matters only through BASE and VIRTUAL below. All the state it
; has is in the slot table behind it, one slot for each APIC id.

BASE    equ 0x8000                      ; LAUNCH_PHYSICAL
VIRTUAL equ 0xffffffffffe00000          ; LAUNCH_VIRTUAL
TABLE   equ 0x1000                      ; LAUNCH_TABLE_OFFSET
SLOTS   equ 1024                        ; LAUNCH_SLOTS
EXPORTS equ 0xfc0                       ; LAUNCH_EXPORTS_OFFSET
PARKED  equ 0
GO      equ 1
TAKEN   equ 2

%define at(label) (BASE + (label) - launcher_start)
%define high(label) (VIRTUAL + (label) - launcher_start)

section .launcher alloc exec nowrite progbits align=16
global launcher_start
global launcher_end
global launcher_page_table

; A startup interrupt enters here: real mode, CS = BASE >> 4, IP = 0, interrupts off.
bits 16
launcher_start:
    cli
    cld
    xor ax, ax
    mov ds, ax
    lgdt [at(gdt_pointer)]
    mov eax, cr0
    or al, 1                            ; PE
    mov cr0, eax
    jmp dword 0x08:at(protected)

bits 32
protected:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, cr4
    or eax, 1 << 5                      ; PAE
    mov cr4, eax
    mov eax, [at(launcher_page_table)]
    mov cr3, eax
    mov ecx, 0xc0000080                 ; EFER
    rdmsr
    or eax, 1 << 8 | 1 << 11            ; LME, NXE
    wrmsr
    mov eax, 1 << 31 | 1 << 16 | 1 << 5 | 1 << 1 | 1  ; PG, WP, NE, MP, PE; caches on (CD, NW clear)
    mov cr0, eax
    jmp 0x18:at(long_mode)

bits 64
long_mode:                              ; in the loader's address space, at the identity mapping
    mov rax, high(launch)
    jmp rax

; In: nothing. Out: RBX = this core's slot, or 0 where its APIC id is too high. Uses RAX, RCX, RDX.
find_slot:
    xor eax, eax
    cpuid
    cmp eax, 0x0b
    jb .legacy
    mov eax, 0x0b
    xor ecx, ecx
    cpuid
    test ebx, ebx                       ; leaf 0x0b is not there
    jz .legacy
    mov ebx, edx                        ; the 32-bit x2APIC id
    jmp .found
.legacy:
    mov eax, 1
    cpuid
    shr ebx, 24
.found:
    cmp ebx, SLOTS
    jae .none
    shl rbx, 6
    mov rax, VIRTUAL + TABLE
    add rbx, rax
    jmp r15
.none:
    hlt
    jmp .none

launch:
    lea r15, [rel .slot]
    jmp find_slot
.slot:
    cmp dword [rbx], GO
    jne park                            ; a stray startup interrupt
    mov rdi, [rbx + 32]                 ; argument
    mov rsp, [rbx + 16]                 ; stack, valid from the next CR3 on
    mov r8, [rbx + 24]                  ; entry
    mov rax, [rbx + 8]                  ; page table; maps this page at the same place
    mov cr3, rax
    mov dword [rbx], TAKEN              ; x86 keeps stores in order: the reads above come first
    xor ebp, ebp
    push rbp                            ; the return address of a function that never returns
    jmp r8

; From the end of an instance: interrupts off, any stack; leaves the instance's address space first.
park:
    cli
    mov eax, [rel launcher_page_table]
    mov cr3, rax
    lgdt [rel high_gdt_pointer]
    lidt [rel no_idt]
    lea r15, [rel .slot]
    jmp find_slot
.slot:
    mov dword [rbx], PARKED
.halt:
    hlt
    jmp .halt

align 8
gdt:
    dq 0
    dq 0x00cf9a000000ffff               ; 0x08: 32-bit code
    dq 0x00cf92000000ffff               ; 0x10: data
    dq 0x00af9a000000ffff               ; 0x18: 64-bit code
gdt_end:
gdt_pointer:
    dw gdt_end - gdt - 1
    dd at(gdt)
high_gdt_pointer:
    dw gdt_end - gdt - 1
    dq high(gdt)
no_idt:
    dw 0
    dq 0
align 8
launcher_page_table: dq 0               ; physical, below 4 GiB; the loader fills it in

times EXPORTS - ($ - launcher_start) db 0
    dq high(park)                       ; struct launch_exports
    dq high(launch)
launcher_end:

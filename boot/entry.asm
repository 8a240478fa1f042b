; The loader's first instructions: from PVH's 32-bit protected mode to 64-bit C.
; PVH's contract (Xen's docs/misc/pvh.pandoc): flat 32-bit segments, paging off, interrupts off,
; EBX = physical address of the hvm_start_info. Nothing else may be relied on, no stack either.

bits 32

section .note.pvh note alloc noexec nowrite align=4
    dd 4, 4, 18                         ; name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY
    db "Xen", 0
    dd loader_entry32

section .text
global loader_entry32
extern loader_main

loader_entry32:
    cld
    rdtsc                               ; EDX:EAX = the time of the very first instruction
    mov esi, eax
    mov edi, edx
    mov esp, boot_stack_top

    ; Page tables: the first 4 GiB, identity, in pages of 2 MiB. The rest is added in C.
    mov eax, pdpt + 3
    mov [pml4], eax
    mov ecx, 4
    mov eax, page_directories + 3
    mov edx, pdpt
.directories:
    mov [edx], eax
    add eax, 4096
    add edx, 8
    dec ecx
    jnz .directories
    mov ecx, 4 * 512
    mov eax, 0x83                       ; present, writable, large
    mov edx, page_directories
.pages:
    mov [edx], eax
    add eax, 0x200000
    add edx, 8
    dec ecx
    jnz .pages

    mov eax, cr4
    or eax, 1 << 5                      ; PAE: needed for long mode
    mov cr4, eax
    mov eax, pml4
    mov cr3, eax
    push esi                            ; the time, across RDMSR
    push edi
    mov ecx, 0xc0000080                 ; EFER
    rdmsr
    or eax, 1 << 8 | 1 << 11            ; LME: long mode; NXE: pages that cannot be executed
    wrmsr
    pop edi
    pop esi
    mov eax, cr0
    or eax, 1 << 31 | 1 << 16 | 1       ; PG; WP: read-only holds in ring 0 too; PE
    mov cr0, eax
    lgdt [gdt_pointer]
    jmp 0x08:.long_mode

bits 64
.long_mode:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov esp, boot_stack_top             ; clears the upper half
    mov eax, esi
    mov esi, edi
    shl rsi, 32
    or rsi, rax                         ; second argument: TSC at entry
    mov edi, ebx                        ; first argument: start info
    xor ebp, ebp
    call loader_main                    ; never returns

; The one interrupt that the loader takes, to end a nap (apic.c): it has woken the core, that is all.
global loader_interrupt
loader_interrupt:
    iretq

section .rodata
align 8
gdt:
    dq 0
    dq 0x00af9a000000ffff               ; 0x08: 64-bit code
    dq 0x00cf92000000ffff               ; 0x10: data
gdt_pointer:
    dw $ - gdt - 1
    dd gdt

section .bss
align 4096
global pml4
global pdpt
pml4:             resb 4096
pdpt:             resb 4096
page_directories: resb 4 * 4096
boot_stack:       resb 16384
boot_stack_top:

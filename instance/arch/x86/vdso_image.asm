; The vDSO (instance/vdso), as it was linked: copied into every program's address space.

section .rodata
align 8
global vdso_image, vdso_image_end
vdso_image:
    incbin "vdso/vdso.so"
vdso_image_end:

section .note.GNU-stack noalloc noexec nowrite progbits

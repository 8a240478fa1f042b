/* What Linux on x86-64 puts on a program's stack to run a signal handler, and the structs of the
 * signal calls: byte for byte, since handlers, longjmp, unwinders and runtimes read and change it.
 * Own definitions, because <asm/signal.h> and libc's <signal.h> cannot be included side by side. */
#ifndef ABI_LINUX_SIGNAL_H
#define ABI_LINUX_SIGNAL_H

#include <stddef.h>
#include <stdint.h>

#define LINUX_SIGNALS 64         /* numbers 1..64 */
#define LINUX_SIGNAL_REALTIME 32 /* the first that queues; 32 and 33 are the threads library's */
#define LINUX_SIGNAL_BIT(signal) (UINT64_C(1) << ((signal)-1))

/* Numbers on x86-64. */
enum linux_signal {
    LINUX_SIGHUP = 1,
    LINUX_SIGINT = 2,
    LINUX_SIGQUIT = 3,
    LINUX_SIGILL = 4,
    LINUX_SIGTRAP = 5,
    LINUX_SIGABRT = 6,
    LINUX_SIGBUS = 7,
    LINUX_SIGFPE = 8,
    LINUX_SIGKILL = 9,
    LINUX_SIGUSR1 = 10,
    LINUX_SIGSEGV = 11,
    LINUX_SIGUSR2 = 12,
    LINUX_SIGPIPE = 13,
    LINUX_SIGALRM = 14,
    LINUX_SIGTERM = 15,
    LINUX_SIGSTKFLT = 16,
    LINUX_SIGCHLD = 17,
    LINUX_SIGCONT = 18,
    LINUX_SIGSTOP = 19,
    LINUX_SIGTSTP = 20,
    LINUX_SIGTTIN = 21,
    LINUX_SIGTTOU = 22,
    LINUX_SIGURG = 23,
    LINUX_SIGXCPU = 24,
    LINUX_SIGXFSZ = 25,
    LINUX_SIGVTALRM = 26,
    LINUX_SIGPROF = 27,
    LINUX_SIGWINCH = 28,
    LINUX_SIGIO = 29,
    LINUX_SIGPWR = 30,
    LINUX_SIGSYS = 31,
};

/* si_code: who sent it. Positive values say what a fault was. */
#define LINUX_SI_USER 0
#define LINUX_SI_KERNEL 0x80
#define LINUX_SI_QUEUE (-1)
#define LINUX_SI_TKILL (-6)

/* struct sigaction as rt_sigaction has it. */
struct linux_sigaction {
    uint64_t handler; /* address, or LINUX_SIG_DFL or LINUX_SIG_IGN */
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};
_Static_assert(sizeof(struct linux_sigaction) == 32, "struct sigaction of the system call");
#define LINUX_SIG_DFL 0
#define LINUX_SIG_IGN 1

#define LINUX_SA_NOCLDSTOP UINT64_C(0x00000001)
#define LINUX_SA_NOCLDWAIT UINT64_C(0x00000002)
#define LINUX_SA_SIGINFO UINT64_C(0x00000004)
#define LINUX_SA_RESTORER UINT64_C(0x04000000)
#define LINUX_SA_ONSTACK UINT64_C(0x08000000)
#define LINUX_SA_RESTART UINT64_C(0x10000000)
#define LINUX_SA_NODEFER UINT64_C(0x40000000)
#define LINUX_SA_RESETHAND UINT64_C(0x80000000)
#define LINUX_SA_KNOWN                                                                             \
    (LINUX_SA_NOCLDSTOP | LINUX_SA_NOCLDWAIT | LINUX_SA_SIGINFO | LINUX_SA_RESTORER |              \
     LINUX_SA_ONSTACK | LINUX_SA_RESTART | LINUX_SA_NODEFER | LINUX_SA_RESETHAND)

/* stack_t */
struct linux_sigaltstack {
    uint64_t base;
    int32_t flags;
    uint32_t pad;
    uint64_t size;
};
_Static_assert(sizeof(struct linux_sigaltstack) == 24, "stack_t");
#define LINUX_SS_ONSTACK 1
#define LINUX_SS_DISABLE 2
#define LINUX_SS_AUTODISARM INT32_MIN
#define LINUX_MINSIGSTKSZ 2048

/* siginfo_t: the 48 bytes that carry something, and the rest of its 128. */
struct linux_siginfo {
    int32_t signal;
    int32_t error;
    int32_t code;
    int32_t pad;
    union {
        struct {
            int32_t pid;
            uint32_t uid;
            uint64_t value; /* sigqueue's */
        } sender;
        uint64_t address; /* of a fault */
        uint8_t bytes[32];
    };
};
_Static_assert(sizeof(struct linux_siginfo) == 48, "what the kernel keeps of a siginfo_t");
#define LINUX_SIGINFO_SIZE 128

/* struct sigcontext */
struct linux_sigcontext {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, trap, old_mask, cr2;
    uint64_t vector_state; /* address of the XSAVE image, or 0 */
    uint64_t reserved[8];
};
_Static_assert(sizeof(struct linux_sigcontext) == 256, "struct sigcontext");

/* struct ucontext; flags: */
#define LINUX_UC_FP_XSTATE 1     /* the vector state is an XSAVE image, not just FXSAVE's */
#define LINUX_UC_SIGCONTEXT_SS 2 /* ss is valid */
#define LINUX_UC_STRICT_RESTORE_SS 4
struct linux_ucontext {
    uint64_t flags;
    uint64_t link;
    struct linux_sigaltstack stack;
    struct linux_sigcontext context;
    uint64_t mask;
};
_Static_assert(sizeof(struct linux_ucontext) == 304, "struct ucontext");

/* struct rt_sigframe: at the stack pointer when the handler starts. `restorer` is what the
 * handler's return instruction takes; it calls rt_sigreturn. */
struct linux_signal_frame {
    uint64_t restorer;
    struct linux_ucontext ucontext;
    struct linux_siginfo info;
    uint8_t info_rest[LINUX_SIGINFO_SIZE - sizeof(struct linux_siginfo)];
};
_Static_assert(sizeof(struct linux_signal_frame) == 440, "struct rt_sigframe");
_Static_assert(offsetof(struct linux_signal_frame, info) == 312, "siginfo in struct rt_sigframe");

#define LINUX_RED_ZONE 128 /* bytes below the stack pointer that belong to the program */
#define LINUX_USER_CS 0x33 /* what programs find in a sigcontext on Linux */
#define LINUX_USER_SS 0x2b

/* The last 48 bytes of the 512 that FXSAVE leaves to software (struct _fpx_sw_bytes): how much
 * XSAVE state follows. A second magic word stands straight behind that state. */
struct linux_vector_software {
    uint32_t magic1;        /* LINUX_VECTOR_MAGIC1 */
    uint32_t extended_size; /* of the image with its second magic word */
    uint64_t features;      /* XCR0 bits in the image */
    uint32_t size;          /* of the XSAVE image */
    uint32_t pad[7];
};
_Static_assert(sizeof(struct linux_vector_software) == 48, "struct _fpx_sw_bytes");
#define LINUX_VECTOR_LEGACY_SIZE 512
#define LINUX_VECTOR_SOFTWARE_OFFSET 464
#define LINUX_VECTOR_MAGIC1 UINT32_C(0x46505853)
#define LINUX_VECTOR_MAGIC2 UINT32_C(0x46505845)

#endif

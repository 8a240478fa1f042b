/* Signals of the program: the handler table, what is pending for the process and its threads,
 * sending from anywhere, taking on the way back to the program, and the default actions.
 *
 * Lock order: thread_all_lock, then signal_lock, then a thread's own lock (in thread_interrupt).
 * The pending words may be read without a lock: a thread looks at them on every way back, and who
 * adds a bit calls thread_interrupt after it. */
#include "instance/syscall/signal.h"

#include "instance/fs/file.h"
#include "instance/kernel.h"
#include "instance/list.h"
#include "instance/log.h"
#include "instance/mm/kmalloc.h"
#include "instance/mm/user.h"
#include "instance/string.h"
#include "instance/syscall/restart.h"
#include "instance/syscall/timers.h"

#include <errno.h>

/* A signal that waits to be taken, with what its handler is told. */
struct signal_entry {
    struct signal_entry *next;
    int32_t timer; /* the POSIX timer that sent it; -1: none */
    bool kept;     /* the timer's own, for the next time too; otherwise freed once it is taken */
    bool queued;
    struct linux_siginfo info;
};

/* Guards everything below, and `pending` (changes) and `queue` of every thread. */
static struct spinlock signal_lock;
static struct linux_sigaction signal_actions[LINUX_SIGNALS];
static _Atomic uint64_t signal_process_pending;
static struct signal_entry *signal_process_queue;
/* The signal that ends the program, or ENDING_OTHERWISE; no thread goes back to it any more. 0: it
 * runs. */
static _Atomic int signal_ending;
#define ENDING_OTHERWISE (LINUX_SIGNALS + 1)
/* Bits are set by signalfds, and stay: whoever polls is woken for these. */
static _Atomic uint64_t signal_watched;

#define SIGNALS_UNBLOCKABLE (LINUX_SIGNAL_BIT(LINUX_SIGKILL) | LINUX_SIGNAL_BIT(LINUX_SIGSTOP))
#define SIGNALS_IGNORED                                                                            \
    (LINUX_SIGNAL_BIT(LINUX_SIGCHLD) | LINUX_SIGNAL_BIT(LINUX_SIGURG) |                            \
     LINUX_SIGNAL_BIT(LINUX_SIGWINCH) | LINUX_SIGNAL_BIT(LINUX_SIGCONT))
#define SIGNALS_STOPPING                                                                           \
    (LINUX_SIGNAL_BIT(LINUX_SIGSTOP) | LINUX_SIGNAL_BIT(LINUX_SIGTSTP) |                           \
     LINUX_SIGNAL_BIT(LINUX_SIGTTIN) | LINUX_SIGNAL_BIT(LINUX_SIGTTOU))
/* Those that leave a core dump on Linux: reported with a backtrace. */
#define SIGNALS_CRASHING                                                                           \
    (LINUX_SIGNAL_BIT(LINUX_SIGQUIT) | LINUX_SIGNAL_BIT(LINUX_SIGILL) |                            \
     LINUX_SIGNAL_BIT(LINUX_SIGTRAP) | LINUX_SIGNAL_BIT(LINUX_SIGABRT) |                           \
     LINUX_SIGNAL_BIT(LINUX_SIGBUS) | LINUX_SIGNAL_BIT(LINUX_SIGFPE) |                             \
     LINUX_SIGNAL_BIT(LINUX_SIGSEGV) | LINUX_SIGNAL_BIT(LINUX_SIGXCPU) |                           \
     LINUX_SIGNAL_BIT(LINUX_SIGXFSZ) | LINUX_SIGNAL_BIT(LINUX_SIGSYS))
/* Caused by the instruction itself: taken before all others, as Linux does. */
#define SIGNALS_SYNCHRONOUS                                                                        \
    (LINUX_SIGNAL_BIT(LINUX_SIGSEGV) | LINUX_SIGNAL_BIT(LINUX_SIGBUS) |                            \
     LINUX_SIGNAL_BIT(LINUX_SIGILL) | LINUX_SIGNAL_BIT(LINUX_SIGTRAP) |                            \
     LINUX_SIGNAL_BIT(LINUX_SIGFPE) | LINUX_SIGNAL_BIT(LINUX_SIGSYS))

const char *signal_name(int signal)
{
    static const char *const names[] = {
        "SIG0",      "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
        "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
        "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
        "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS",
    };
    if (signal < 0 || signal > LINUX_SIGNALS)
        return "signal?";
    return signal < LINUX_SIGNAL_REALTIME ? names[signal] : "SIGRT";
}

/* --- The handler table ------------------------------------------------------------------------ */

/* Would the signal have no effect now? Under signal_lock. */
static bool signal_is_ignored(int signal)
{
    uint64_t handler = signal_actions[signal - 1].handler;
    return handler == LINUX_SIG_IGN ||
           (handler == LINUX_SIG_DFL && (SIGNALS_IGNORED & LINUX_SIGNAL_BIT(signal)));
}

/* It is in no queue any more. Under signal_lock. */
static void signal_entry_done(struct signal_entry *entry)
{
    entry->queued = false;
    if (!entry->kept)
        kfree(entry);
}

static void signal_drop_queued(struct signal_entry **queue, uint64_t set)
{
    while (*queue != NULL) {
        struct signal_entry *entry = *queue;
        if (set & LINUX_SIGNAL_BIT(entry->info.signal)) {
            *queue = entry->next;
            signal_entry_done(entry);
        } else {
            queue = &entry->next;
        }
    }
}

/* Drops what is pending of `signal` everywhere: it is ignored from now on. */
static void signal_discard(int signal)
{
    uint64_t bit = LINUX_SIGNAL_BIT(signal);
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    spin_lock(&signal_lock);
    for (struct list *node = thread_all.next; node != &thread_all; node = node->next) {
        struct signal_state *state = &LIST_ENTRY(node, struct thread, all_link)->signals;
        atomic_fetch_and(&state->pending, ~bit);
        signal_drop_queued(&state->queue, bit);
    }
    atomic_fetch_and(&signal_process_pending, ~bit);
    signal_drop_queued(&signal_process_queue, bit);
    spin_unlock(&signal_lock);
    spin_unlock_irq(&thread_all_lock, saved);
}

int signal_action_exchange(int signal, const struct linux_sigaction *action,
                           struct linux_sigaction *former)
{
    if (signal < 1 || signal > LINUX_SIGNALS)
        return -EINVAL;
    if (action != NULL && (SIGNALS_UNBLOCKABLE & LINUX_SIGNAL_BIT(signal)))
        return -EINVAL;

    uint64_t saved = spin_lock_irq(&signal_lock);
    if (former != NULL)
        *former = signal_actions[signal - 1];
    bool discard = false;
    if (action != NULL) {
        struct linux_sigaction *slot = &signal_actions[signal - 1];
        *slot = *action;
        slot->flags &= LINUX_SA_KNOWN; /* so that a program can find out what is supported */
        slot->mask &= ~SIGNALS_UNBLOCKABLE;
        discard = signal_is_ignored(signal);
    }
    spin_unlock_irq(&signal_lock, saved);
    if (discard)
        signal_discard(signal);
    return 0;
}

/* --- Sending ---------------------------------------------------------------------------------- */

struct signal_entry *signal_entry_create(int32_t timer)
{
    struct signal_entry *entry = kzalloc(sizeof(*entry));
    if (entry != NULL) {
        entry->timer = timer;
        entry->kept = true;
    }
    return entry;
}

void signal_entry_release(struct signal_entry *entry)
{
    uint64_t saved = spin_lock_irq(&signal_lock);
    entry->kept = false;
    entry->timer = -1;
    if (!entry->queued)
        kfree(entry);
    spin_unlock_irq(&signal_lock, saved);
}

void signal_watch(uint64_t set)
{
    atomic_fetch_or(&signal_watched, set);
}

/* Adds to a set of pending signals, under signal_lock. A standard signal is pending once, a
 * realtime signal as often as it was sent; one of a timer (`entry`) has its own place. */
static int signal_add(_Atomic uint64_t *pending, struct signal_entry **queue,
                      const struct linux_siginfo *info, struct signal_entry *entry)
{
    uint64_t bit = LINUX_SIGNAL_BIT(info->signal);
    bool realtime = info->signal >= LINUX_SIGNAL_REALTIME;
    if (entry != NULL && entry->queued)
        return -EBUSY;
    if (entry == NULL && !realtime && (atomic_load(pending) & bit))
        return 0;

    if (entry == NULL && (entry = signal_entry_create(-1)) != NULL)
        entry->kept = false;
    if (entry != NULL) {
        entry->next = NULL;
        entry->queued = true;
        entry->info = *info;
        while (*queue != NULL)
            queue = &(*queue)->next;
        *queue = entry;
    } else if (realtime) {
        return -EAGAIN;
    } /* else: the signal still comes, only not who sent it */
    atomic_fetch_or(pending, bit);
    return 0;
}

/* Which thread should take a signal to the process: one that waits for it or does not block it, the
 * first thread before others. Under thread_all_lock. */
static struct thread *signal_choose_thread(uint64_t bit)
{
    for (struct list *node = thread_all.next; node != &thread_all; node = node->next) {
        struct thread *thread = LIST_ENTRY(node, struct thread, all_link);
        if ((atomic_load(&thread->signals.wanted) & bit) ||
            !(__atomic_load_n(&thread->signals.blocked, __ATOMIC_RELAXED) & bit))
            return thread;
    }
    return NULL;
}

/* Under both locks: a signal that is ignored now is dropped, unless its thread blocks it (it may
 * have a handler by the time it is taken) or waits for it. */
static bool signal_is_dropped(const struct linux_siginfo *info, const struct thread *target)
{
    uint64_t kept = __atomic_load_n(&target->signals.blocked, __ATOMIC_RELAXED) |
                    atomic_load(&target->signals.wanted);
    return signal_is_ignored(info->signal) && !(kept & LINUX_SIGNAL_BIT(info->signal));
}

/* Under thread_all_lock: every thread ends the program by `signal`, or waits until another has. */
static void signal_end_by(int signal)
{
    int none = 0; /* the first one counts */
    atomic_compare_exchange_strong(&signal_ending, &none, signal);
    for (struct list *node = thread_all.next; node != &thread_all; node = node->next)
        thread_interrupt(LIST_ENTRY(node, struct thread, all_link));
}

void signal_end_threads(void)
{
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    signal_end_by(ENDING_OTHERWISE);
    spin_unlock_irq(&thread_all_lock, saved);
}

int signal_post(int32_t thread_id, const struct linux_siginfo *info, struct signal_entry *entry)
{
    if (info->signal < 0 || info->signal > LINUX_SIGNALS)
        return -EINVAL;

    int result = 0;
    uint64_t saved = spin_lock_irq(&thread_all_lock);
    struct thread *target;
    if (thread_id != 0) {
        target = thread_find(thread_id);
        if (target == NULL || info->signal == 0) {
            spin_unlock_irq(&thread_all_lock, saved);
            return target == NULL ? -ESRCH : 0;
        }
    } else {
        if (info->signal == 0) {
            spin_unlock_irq(&thread_all_lock, saved);
            return 0;
        }
        target = signal_choose_thread(LINUX_SIGNAL_BIT(info->signal));
    }

    spin_lock(&signal_lock);
    bool dropped = target != NULL && signal_is_dropped(info, target);
    if (!dropped) {
        if (thread_id != 0)
            result = signal_add(&target->signals.pending, &target->signals.queue, info, entry);
        else
            result = signal_add(&signal_process_pending, &signal_process_queue, info, entry);
    }
    spin_unlock(&signal_lock);

    if (!dropped && result == 0 && target != NULL)
        thread_interrupt(target);
    /* What kills the process kills it in whichever thread comes first: the others' waits for the
     * host's storage end too, since the first may wait for what they hold. One for a thread that
     * says where it happened (abort) is that thread's. */
    if (!dropped && result == 0 && target != NULL && signal_kills(target) &&
        (thread_id == 0 || !(SIGNALS_CRASHING & LINUX_SIGNAL_BIT(info->signal))))
        signal_end_by(info->signal);
    spin_unlock_irq(&thread_all_lock, saved);
    if (!dropped && (atomic_load(&signal_watched) & LINUX_SIGNAL_BIT(info->signal)))
        file_notify();
    return dropped ? -ECANCELED : result;
}

int signal_send_info(int32_t thread_id, const struct linux_siginfo *info)
{
    int result = signal_post(thread_id, info, NULL);
    return result == -ECANCELED ? 0 : result; /* ignored: the sender is not told */
}

int signal_send(int32_t thread, int signal, int code)
{
    struct linux_siginfo info;
    memset(&info, 0, sizeof(info));
    info.signal = signal;
    info.code = code;
    if (code != LINUX_SI_KERNEL)
        info.sender.pid = 1; /* the only process there is */
    return signal_send_info(thread, &info);
}

/* --- Taking ----------------------------------------------------------------------------------- */

uint64_t signal_pending_set(void)
{
    return atomic_load_explicit(&thread_current()->signals.pending, memory_order_relaxed) |
           atomic_load_explicit(&signal_process_pending, memory_order_relaxed);
}

bool signal_deliverable(void)
{
    const struct signal_state *state = &thread_current()->signals;
    return (signal_pending_set() & ~state->blocked) != 0 || state->restore_mask || state->restart ||
           atomic_load_explicit(&signal_ending, memory_order_relaxed) != 0;
}

bool signal_kills(const struct thread *thread)
{
    if (atomic_load(&signal_ending) != 0)
        return true;
    uint64_t pending = (atomic_load_explicit(&thread->signals.pending, memory_order_relaxed) |
                        atomic_load_explicit(&signal_process_pending, memory_order_relaxed)) &
                       ~__atomic_load_n(&thread->signals.blocked, __ATOMIC_RELAXED) &
                       ~(SIGNALS_IGNORED | SIGNALS_STOPPING);
    for (; pending != 0; pending &= pending - 1)
        if (__atomic_load_n(&signal_actions[__builtin_ctzll(pending)].handler, __ATOMIC_RELAXED) ==
            LINUX_SIG_DFL)
            return true;
    return false;
}

void signal_note_restart(void)
{
    thread_current()->signals.restart = true;
}

void signal_set_blocked(uint64_t blocked)
{
    __atomic_store_n(&thread_current()->signals.blocked, blocked & ~SIGNALS_UNBLOCKABLE,
                     __ATOMIC_RELAXED);
}

/* Takes the next of `set` from one source, under signal_lock. */
static bool signal_take_from(_Atomic uint64_t *pending, struct signal_entry **queue, uint64_t set,
                             struct linux_siginfo *info, int32_t *timer)
{
    uint64_t ready = atomic_load(pending) & set;
    if (ready == 0)
        return false;
    if (ready & SIGNALS_SYNCHRONOUS)
        ready &= SIGNALS_SYNCHRONOUS;
    int signal = __builtin_ctzll(ready) + 1;

    while (*queue != NULL && (*queue)->info.signal != signal)
        queue = &(*queue)->next;
    struct signal_entry *entry = *queue;
    bool more = false;
    if (entry != NULL) {
        *info = entry->info;
        *queue = entry->next;
        for (struct signal_entry *rest = entry->next; rest != NULL; rest = rest->next)
            more = more || rest->info.signal == signal;
        *timer = entry->timer;
        signal_entry_done(entry);
    } else {
        memset(info, 0, sizeof(*info));
        info->signal = signal;
    }
    if (!more)
        atomic_fetch_and(pending, ~LINUX_SIGNAL_BIT(signal));
    return true;
}

bool signal_take(uint64_t set, struct linux_siginfo *info)
{
    struct signal_state *state = &thread_current()->signals;
    int32_t timer = -1;
    uint64_t saved = spin_lock_irq(&signal_lock);
    bool taken =
        signal_take_from(&state->pending, &state->queue, set, info, &timer) ||
        signal_take_from(&signal_process_pending, &signal_process_queue, set, info, &timer);
    spin_unlock_irq(&signal_lock, saved);
    if (taken && timer >= 0)
        timers_signal_taken(timer, info);
    else if (taken && info->signal == LINUX_SIGALRM)
        timers_alarm_taken();
    return taken;
}

void signal_state_release(struct signal_state *state)
{
    uint64_t saved = spin_lock_irq(&signal_lock);
    atomic_store(&state->pending, 0);
    signal_drop_queued(&state->queue, UINT64_MAX);
    spin_unlock_irq(&signal_lock, saved);
}

/* --- Delivery --------------------------------------------------------------------------------- */

/* Is the instruction before `rip` a `syscall` (0f 05)? Then the program can be sent back to it. */
static bool signal_follows_syscall(uint64_t rip)
{
    uint8_t code[2];
    return rip >= 2 && user_read(code, rip - 2, sizeof(code)) == 0 && code[0] == 0x0f &&
           code[1] == 0x05;
}

/* The call that the signal broke off: again, or EINTR. `action`: the handler that will run before
 * it, or NULL. */
static void signal_finish_call(struct trap_frame *frame, const struct linux_sigaction *action)
{
    struct signal_state *state = &thread_current()->signals;
    if (!state->restart)
        return;
    state->restart = false;

    int64_t result = (int64_t)frame->rax;
    bool again = action == NULL || result == -ERESTARTNOINTR ||
                 (result == -ERESTARTSYS && (action->flags & LINUX_SA_RESTART));
    if (again && signal_follows_syscall(frame->rip)) {
        frame->rip -= 2;
        frame->rax = frame->error; /* the call's number */
    } else {
        frame->rax = (uint64_t)-EINTR;
    }
}

static noreturn void signal_kill(const struct trap_frame *frame, const struct linux_siginfo *info)
{
    if (SIGNALS_CRASHING & LINUX_SIGNAL_BIT(info->signal)) {
        char message[96];
        format_to(message, sizeof(message), "killed by %s%s", signal_name(info->signal),
                  info->code == LINUX_SI_TKILL && info->signal == LINUX_SIGABRT ? " (abort)" : "");
        kernel_crash(info->signal, frame, 0, message);
    }
    static _Atomic bool logged; /* the threads come here one by one */
    if (!atomic_exchange(&logged, true))
        log_info("the program is ended by signal %d (%s)", info->signal, signal_name(info->signal));
    kernel_end(128 + info->signal);
}

/* The default action of a signal without a handler; returns when it is none. */
static void signal_do_default(const struct trap_frame *frame, const struct linux_siginfo *info)
{
    uint64_t bit = LINUX_SIGNAL_BIT(info->signal);
    if (bit & SIGNALS_IGNORED)
        return;
    if (bit & SIGNALS_STOPPING) {
        log_warn("%s ignored: an instance cannot be stopped and continued",
                 signal_name(info->signal));
        return;
    }
    signal_kill(frame, info);
}

/* Enters the handler of `info`; `address` is CR2 for a fault. */
static void signal_enter_handler(struct trap_frame *frame, const struct linux_sigaction *action,
                                 const struct linux_siginfo *info, uint64_t address)
{
    struct signal_state *state = &thread_current()->signals;
    uint64_t mask = state->restore_mask ? state->saved_mask : state->blocked;

    if (signal_frame_push(frame, action, info, mask, address) != 0) {
        char message[128];
        format_to(message, sizeof(message),
                  "killed by SIGSEGV: no stack for the handler of %s at 0x%lx",
                  signal_name(info->signal), frame->rsp);
        kernel_crash(LINUX_SIGSEGV, frame, frame->rsp, message);
    }
    state->restore_mask = false;
    uint64_t blocked = state->blocked | action->mask;
    if (!(action->flags & LINUX_SA_NODEFER))
        blocked |= LINUX_SIGNAL_BIT(info->signal);
    signal_set_blocked(blocked);
}

/* The action for a signal that is being taken; a handler with SA_RESETHAND is used up. */
static struct linux_sigaction signal_use_action(int signal)
{
    uint64_t saved = spin_lock_irq(&signal_lock);
    struct linux_sigaction *slot = &signal_actions[signal - 1];
    struct linux_sigaction action = *slot;
    if (action.handler > LINUX_SIG_IGN && (action.flags & LINUX_SA_RESETHAND))
        slot->handler = LINUX_SIG_DFL;
    spin_unlock_irq(&signal_lock, saved);
    return action;
}

void signal_deliver(struct trap_frame *frame)
{
    struct signal_state *state = &thread_current()->signals;
    struct linux_siginfo info = {.signal = atomic_load(&signal_ending)};
    if (info.signal == ENDING_OTHERWISE)
        kernel_end(0); /* waits for the thread that ends it */
    if (info.signal != 0)
        signal_kill(frame, &info);

    /* Several at once: each gets its frame, and the last one built runs first, as on Linux. */
    while (signal_take(~state->blocked, &info)) {
        struct linux_sigaction action = signal_use_action(info.signal);
        if (action.handler == LINUX_SIG_IGN)
            continue;
        if (action.handler == LINUX_SIG_DFL) {
            signal_do_default(frame, &info);
            continue;
        }
        signal_finish_call(frame, &action);
        signal_enter_handler(frame, &action, &info, 0);
    }
    signal_finish_call(frame, NULL);
    if (state->restore_mask) {
        state->restore_mask = false;
        signal_set_blocked(state->saved_mask);
    }
}

void signal_fault(struct trap_frame *frame, int signal, int code, uint64_t address)
{
    struct signal_state *state = &thread_current()->signals;
    struct linux_siginfo info;
    memset(&info, 0, sizeof(info));
    info.signal = signal;
    info.code = code;
    info.address = address;

    struct linux_sigaction action = signal_use_action(signal);
    if (action.handler <= LINUX_SIG_IGN || (state->blocked & LINUX_SIGNAL_BIT(signal))) {
        char message[160];
        format_to(message, sizeof(message),
                  "killed by %s (code %d) at address 0x%lx, instruction 0x%lx%s",
                  signal_name(signal), code, address, frame->rip,
                  action.handler > LINUX_SIG_IGN ? ", which it had blocked" : "");
        kernel_crash(signal, frame, address, message);
    }
    signal_enter_handler(frame, &action, &info, address);
}

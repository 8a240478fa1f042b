/* Stands in for <criterion/criterion.h> under ThreadSanitizer, whose address layout Criterion's
 * sandbox cannot live in: the same tests, each in a forked child of this one process, with the same
 * last line. Only what the suites that ask for UNIT_SUITE_TSAN use; in one C file of a suite it
 * also brings main. */
#ifndef THREAD_CRITERION_H
#define THREAD_CRITERION_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct thread_criterion_test {
    int unused;
    void (*init)(void), (*fini)(void);
    int signal, exit_code;
    bool disabled;
    const char *description;
    double timeout; /* seconds; 0: 60 */

    const char *suite, *name;
    void (*run)(void);
    struct thread_criterion_test *next;
};

/* All tests of all files of the suite, and of the child: has an expectation failed? */
__attribute__((weak)) struct thread_criterion_test *thread_criterion_first;
__attribute__((weak)) bool thread_criterion_failed;

#define Test(Suite, Name, ...)                                                                     \
    static void Suite##_##Name##_test(void);                                                       \
    __attribute__((constructor)) static void Suite##_##Name##_register(void)                       \
    {                                                                                              \
        static struct thread_criterion_test test = {.unused = 0, __VA_ARGS__};                     \
        test.suite = #Suite;                                                                       \
        test.name = #Name;                                                                         \
        test.run = Suite##_##Name##_test;                                                          \
        test.next = thread_criterion_first;                                                        \
        thread_criterion_first = &test;                                                            \
    }                                                                                              \
    static void Suite##_##Name##_test(void)

/* Per-suite defaults would have to be merged into each test: a suite under TSan does without. */
#define TestSuite(...) _Static_assert(0, "not under ThreadSanitizer: give each Test its options")

#define cr_report_(Fatal, Condition, Text, ...)                                                    \
    do {                                                                                           \
        if (!(Condition)) {                                                                        \
            fprintf(stderr, "[----] %s:%d: %s", __FILE__, __LINE__, Text);                         \
            fprintf(stderr, " " __VA_ARGS__);                                                      \
            fputc('\n', stderr);                                                                   \
            thread_criterion_failed = true;                                                        \
            if (Fatal)                                                                             \
                _exit(1);                                                                          \
        }                                                                                          \
    } while (0)
#define cr_compare_(Fatal, A, Op, B, ...)                                                          \
    cr_report_(Fatal, (A)Op(B), #A " " #Op " " #B, __VA_ARGS__)

#define cr_assert(A, ...) cr_report_(true, (A), #A, __VA_ARGS__)
#define cr_assert_not(A, ...) cr_report_(true, !(A), "not " #A, __VA_ARGS__)
#define cr_assert_eq(A, B, ...) cr_compare_(true, A, ==, B, __VA_ARGS__)
#define cr_assert_neq(A, B, ...) cr_compare_(true, A, !=, B, __VA_ARGS__)
#define cr_assert_lt(A, B, ...) cr_compare_(true, A, <, B, __VA_ARGS__)
#define cr_assert_leq(A, B, ...) cr_compare_(true, A, <=, B, __VA_ARGS__)
#define cr_assert_gt(A, B, ...) cr_compare_(true, A, >, B, __VA_ARGS__)
#define cr_assert_geq(A, B, ...) cr_compare_(true, A, >=, B, __VA_ARGS__)
#define cr_assert_null(A, ...) cr_compare_(true, A, ==, NULL, __VA_ARGS__)
#define cr_assert_not_null(A, ...) cr_compare_(true, A, !=, NULL, __VA_ARGS__)
#define cr_assert_str_eq(A, B, ...) cr_report_(true, strcmp(A, B) == 0, #A " is " #B, __VA_ARGS__)
#define cr_assert_arr_eq(A, B, Size, ...)                                                          \
    cr_report_(true, memcmp(A, B, Size) == 0, #A " is " #B, __VA_ARGS__)
#define cr_assert_fail(...) cr_report_(true, false, "failed", __VA_ARGS__)
#define cr_fail(...) cr_report_(false, false, "failed", __VA_ARGS__)
#define cr_fatal(...) cr_assert_fail(__VA_ARGS__)
#define cr_expect(A, ...) cr_report_(false, (A), #A, __VA_ARGS__)
#define cr_expect_not(A, ...) cr_report_(false, !(A), "not " #A, __VA_ARGS__)
#define cr_expect_eq(A, B, ...) cr_compare_(false, A, ==, B, __VA_ARGS__)
#define cr_expect_neq(A, B, ...) cr_compare_(false, A, !=, B, __VA_ARGS__)
#define cr_expect_lt(A, B, ...) cr_compare_(false, A, <, B, __VA_ARGS__)
#define cr_expect_leq(A, B, ...) cr_compare_(false, A, <=, B, __VA_ARGS__)
#define cr_expect_gt(A, B, ...) cr_compare_(false, A, >, B, __VA_ARGS__)
#define cr_expect_geq(A, B, ...) cr_compare_(false, A, >=, B, __VA_ARGS__)
#define cr_expect_null(A, ...) cr_compare_(false, A, ==, NULL, __VA_ARGS__)
#define cr_expect_not_null(A, ...) cr_compare_(false, A, !=, NULL, __VA_ARGS__)
#define cr_log_info(...) ((void)0)

/* The child's end: TSan's report turns exit status 0 into its own, so exit() and not _exit(). */
static inline bool thread_criterion_run(const struct thread_criterion_test *test)
{
    int status = 0;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        alarm(test->timeout > 0 ? (unsigned)test->timeout + 1 : 60);
        if (test->init)
            test->init();
        test->run();
        if (test->fini)
            test->fini();
        exit(thread_criterion_failed);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (WIFSIGNALED(status))
        return test->signal != 0 && WTERMSIG(status) == test->signal;
    return test->signal == 0 && WEXITSTATUS(status) == test->exit_code;
}

__attribute__((weak)) int main(void)
{
    unsigned tested = 0, passed = 0;

    for (const struct thread_criterion_test *test = thread_criterion_first; test;
         test = test->next) {
        if (test->disabled)
            continue;
        tested++;
        if (thread_criterion_run(test))
            passed++;
        else
            fprintf(stderr, "[FAIL] %s::%s\n", test->suite, test->name);
    }
    fprintf(stderr, "[====] Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: 0\n",
            tested, passed, tested - passed);
    return passed != tested;
}

#endif

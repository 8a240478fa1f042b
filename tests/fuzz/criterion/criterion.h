/* Stands in for <criterion/criterion.h> where a unit test's support code is used by a fuzzer: what
 * must hold aborts. */
#ifndef FUZZ_CRITERION_H
#define FUZZ_CRITERION_H

#include <stdlib.h>

#define cr_assert(Condition, ...) ((Condition) ? (void)0 : abort())
#define cr_assert_eq(A, B, ...) cr_assert((A) == (B))
#define cr_expect_eq(A, B, ...) cr_assert((A) == (B))

#endif

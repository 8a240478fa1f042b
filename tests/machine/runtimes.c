/* Programs of other languages, built static by Debian's compilers: they run in an instance as they
 * do on Linux, with the same output, files and exit status. */
#include "tests/machine/compare.h"

#include <stdio.h>

static const char *const in_folder[] = {"@", NULL};

/* What a program says of its cores, on standard error (on Linux it says the host's). */
static void expect_cores(const char *platform, const char *program)
{
    static const char *const counts[] = {"1", "3"};

    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome = compare_trial(
            platform, &(struct trial){.program = program_path(program), .cores = counts[i]});
        char line[32];

        snprintf(line, sizeof(line), "cores %s\n", counts[i]);
        expect_text(outcome.err, line, &outcome);
    }
}

MACHINE_TEST(cxx, exceptions)
{
    static const char *const uncaught[] = {"uncaught", NULL}, *const own[] = {"terminate", NULL};

    compare_program(platform, "cxx/exceptions", NULL, PLACE_NONE);
    compare_program(platform, "cxx/exceptions", uncaught, PLACE_NONE);
    compare_program(platform, "cxx/exceptions", own, PLACE_NONE);
}

MACHINE_TEST(cxx, threads)
{
    expect_cores(platform, "cxx/threads");
}

MACHINE_TEST(cxx, files)
{
    compare_program(platform, "cxx/files", in_folder, PLACE_MEMORY);
    compare_program(platform, "cxx/files", in_folder, PLACE_HOST);
}

MACHINE_TEST(cxx, library)
{
    compare_trial(platform, &(struct trial){.program = program_path("cxx/library"),
                                            .input = "tests/machine/runtimes.c"});
}

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

static const char *const input = "tests/README.md";

MACHINE_TEST(fortran, files)
{
    static const enum place places[] = {PLACE_MEMORY, PLACE_HOST};

    for (size_t i = 0; i < 2; i++)
        compare_trial(platform, &(struct trial){.program = program_path("fortran/files"),
                                                .words = in_folder,
                                                .place = places[i],
                                                .input = input});
}

/* How it ends too: by itself, STOP, ERROR STOP, a fault. */
MACHINE_TEST(fortran, arrays)
{
    static const char *const ends[] = {"itself", "stop", "error", "fault"};

    for (size_t i = 0; i < 4; i++) {
        const char *words[] = {ends[i], NULL};

        compare_program(platform, "fortran/arrays", words, PLACE_NONE);
    }
}

/* Where cores are fewer than threads, active waiting is waiting for the next turn: "passive" there.
 */
MACHINE_TEST(openmp, c)
{
    expect_cores(platform, "openmp/constructs");
}

MACHINE_TEST(openmp, cancellation)
{
    static const char *const environment[] = {"OMP_CANCELLATION=true", "OMP_SCHEDULE=dynamic,9",
                                              "OMP_NUM_THREADS=5", NULL};

    compare_trial(platform, &(struct trial){.program = program_path("openmp/constructs"),
                                            .environment = environment});
}

MACHINE_TEST(openmp, cxx)
{
    compare_program(platform, "openmp/constructs_cxx", NULL, PLACE_NONE);
}

MACHINE_TEST(openmp, fortran)
{
    expect_cores(platform, "openmp/constructs_fortran");
}

/* Of a group of four cores: each thread may use what its place says, and is there. */
MACHINE_TEST(openmp, places)
{
    static const struct {
        const char *bind, *places, *lines;
    } cases[] = {
        {"close", "cores",
         "places 4, bind 3\nthread 0, place 0, may use 0\nthread 1, place 1, may use 1\n"
         "thread 2, place 2, may use 2\nthread 3, place 3, may use 3\n"},
        {"spread", "{0:2},{2:2}",
         "places 2, bind 4\nthread 0, place 0, may use 0 1\nthread 1, place 0, may use 0 1\n"
         "thread 2, place 1, may use 2 3\nthread 3, place 1, may use 2 3\n"},
        {"master", "threads",
         "places 4, bind 2\nthread 0, place 0, may use 0\nthread 1, place 0, may use 0\n"
         "thread 2, place 0, may use 0\nthread 3, place 0, may use 0\n"},
        {"false", "",
         "places 0, bind 0\nthread 0, place -1, may use 0 1 2 3\n"
         "thread 1, place -1, may use 0 1 2 3\nthread 2, place -1, may use 0 1 2 3\n"
         "thread 3, place -1, may use 0 1 2 3\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct command command = atoll_run(platform);
        char bind[64], places[64];

        snprintf(bind, sizeof(bind), "OMP_PROC_BIND=%s", cases[i].bind);
        snprintf(places, sizeof(places), "OMP_PLACES=%s", cases[i].places);
        command_add(&command, "--quiet", "-c", "4", "-e", bind, NULL);
        if (*cases[i].places)
            command_add(&command, "-e", places, NULL);
        command_add(&command, program_path("openmp/places"), NULL);
        struct outcome outcome = run_expecting(&command, 0);
        cr_expect_str_eq(outcome.out, cases[i].lines);
    }
}

MACHINE_TEST(go, goroutines)
{
    expect_cores(platform, "go/goroutines");
}

MACHINE_TEST(go, files)
{
    static const char *const environment[] = {"ONE=two", "THREE=4", NULL};
    static const enum place places[] = {PLACE_MEMORY, PLACE_HOST};

    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome =
            compare_trial(platform, &(struct trial){.program = program_path("go/files"),
                                                    .words = in_folder,
                                                    .environment = environment,
                                                    .place = places[i],
                                                    .input = input});
        expect_text(outcome.err, "a command: fork/exec /bin/true", &outcome);
    }
}

/* Panics end with status 2 and say where; faults, deadlocks and signals are what they are on Linux.
 */
MACHINE_TEST(go, ends)
{
    static const struct {
        const char *how, *says;
    } ends[] = {
        {"panic", "panic: own error 7"},
        {"nil", "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0"},
        {"index", "ends.go:"},
        {"divide", "integer divide by zero"},
        {"deadlock", "all goroutines are asleep"},
        {"goroutine", "panic: in a goroutine"},
        {"killed", ""},
    };

    compare_program(platform, "go/ends", NULL, PLACE_NONE);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const char *words[] = {ends[i].how, NULL};
        struct outcome outcome = compare_trial(
            platform, &(struct trial){.program = program_path("go/ends"), .words = words});

        expect_text(outcome.err, ends[i].says, &outcome);
    }
}

MACHINE_TEST(rust, threads)
{
    expect_cores(platform, "rust/threads");
}

MACHINE_TEST(rust, files)
{
    static const char *const environment[] = {"ONE=two", "THREE=4", NULL};
    static const enum place places[] = {PLACE_MEMORY, PLACE_HOST};

    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome =
            compare_trial(platform, &(struct trial){.program = program_path("rust/files"),
                                                    .words = in_folder,
                                                    .environment = environment,
                                                    .place = places[i],
                                                    .input = input});
        expect_text(outcome.err, "no command: Some(38)", &outcome); /* ENOSYS */
    }
}

/* A panic's backtrace has names, for which the program reads its own file. */
MACHINE_TEST(rust, ends)
{
    static const struct {
        const char *how, *says;
    } ends[] = {
        {"exit", ""},
        {"abort", ""},
        {"index", "ends::innermost"},
        {"unwrap", "ParseIntError"},
        {"divide", "attempt to divide by zero"},
        {"thread", "thread 'doomed' panicked"},
        {"overflow", "thread 'main' has overflowed its stack"},
    };
    static const char *const environment[] = {"RUST_BACKTRACE=1", NULL};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const char *words[] = {ends[i].how, NULL};
        struct outcome outcome = compare_trial(platform, &(struct trial){
                                                             .program = program_path("rust/ends"),
                                                             .words = words,
                                                             .environment = environment,
                                                         });

        expect_text(outcome.err, ends[i].says, &outcome);
    }
}

MACHINE_TEST(rust, rayon)
{
    struct outcome outcome =
        compare_trial(platform, &(struct trial){.program = app_path("rayon-demo"), .cores = "4"});

    expect_text(outcome.err, "cores 4\n", &outcome);
}

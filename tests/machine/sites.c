/* System call sites become jumps: results, signals and order of execution stay Linux's. */
#include "tests/machine/harness.h"

static void run_sites(const char *platform, const char *program, const char *cores)
{
    struct command command = atoll_run(platform);

    command_add(&command, "--quiet", "-c", cores, program_path(program), NULL);
    struct outcome native = run_native(program_path(program), NULL, NULL);
    struct outcome outcome = run_expecting(&command, 0);
    expect_bytes(program, outcome.out, outcome.out_length, native.out, native.out_length);
}

/* Four threads meet at sites that nobody has been to, while signals interrupt them. */
MACHINE_TEST(sites, met_by_several_cores)
{
    run_sites(platform, "sites", "3");
    run_sites(platform, "sites-musl-pie", "2");
}

/* Every shape that can be is patched, and one that is entered in its middle too often put back. */
MACHINE_TEST(sites, shapes)
{
    static const char *const builds[] = {"sites", "sites-pie", "sites-musl", "sites-musl-pie"};

    for (size_t i = 0; i < 4; i++) {
        struct command command = atoll_run(platform);

        command_add(&command, "--quiet", program_path(builds[i]), "patched", NULL);
        struct outcome outcome = run_expecting(&command, 0);
        expect_text(outcome.out,
                    "mov eax: all\nmov rax: all\nmov eax and more: all\nxor eax: all\n"
                    "xor eax, short: none\nmov rax, r8: all\nmoves alone: all\nanother: none\n",
                    &outcome);
    }
}

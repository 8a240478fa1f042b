/* Single values: sizes, core lists, platforms, names, and sizes as they are shown. */
#include "proxy/config.h"
#include "proxy/config_build.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(parse, sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"4194304", 4194304},
        {"1K", 1024},
        {"64M", UINT64_C(64) << 20},
        {"64m", UINT64_C(64) << 20},
        {"64MiB", UINT64_C(64) << 20},
        {"2G", UINT64_C(2) << 30},
        {"3T", UINT64_C(3) << 40},
        {"18446744073709551615", UINT64_MAX},
        {"16777215T", UINT64_C(16777215) << 40},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 1;
        cr_expect_eq(config_parse_size(cases[i].text, &bytes), 0, "%s", cases[i].text);
        cr_expect_eq(bytes, cases[i].bytes, "%s", cases[i].text);
    }
}

Test(parse, sizes_refused)
{
    static const char *const cases[] = {"",
                                        "M",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1.5G",
                                        "0x10",
                                        "64MB",
                                        "64Mi",
                                        "64X",
                                        "1MM",
                                        "1K2",
                                        "1e6",
                                        "18446744073709551616",
                                        "16777216T",
                                        "99999999999999999999K"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 7;
        cr_expect_eq(config_parse_size(cases[i], &bytes), -1, "\"%s\"", cases[i]);
        cr_expect_eq(bytes, 7, "\"%s\" left a value", cases[i]);
    }
}

Test(parse, core_counts)
{
    size_t count = 0;
    uint32_t *list;
    const char *why;
    cr_expect_eq(config_parse_cores("1", &count, &list, &why), 0);
    cr_expect(count == 1 && !list);
    cr_expect_eq(config_parse_cores("1023", &count, &list, &why), 0);
    cr_expect(count == 1023 && !list);
}

static void expect_cores(const char *text, size_t count, const uint32_t *cores)
{
    size_t got = 0;
    uint32_t *list = NULL;
    const char *why = "";
    cr_assert_eq(config_parse_cores(text, &got, &list, &why), 0, "%s: %s", text, why);
    cr_assert_eq(got, count, "%s", text);
    cr_assert_not_null(list);
    cr_expect_arr_eq(list, cores, count * sizeof(*cores), "%s", text);
    free(list);
}

Test(parse, core_lists)
{
    expect_cores("0-1,3", 3, (uint32_t[]){0, 1, 3});
    expect_cores("3,0-1", 3, (uint32_t[]){0, 1, 3});
    expect_cores("3,", 1, (uint32_t[]){3});
    expect_cores("5-5", 1, (uint32_t[]){5});
    expect_cores("0,1022", 2, (uint32_t[]){0, 1022});
}

Test(parse, cores_refused)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "not a number"},
        {"0", "needs a core"},
        {"1024", "no more than 1023"},
        {"x", "not a number"},
        {"2 ", "not a number"},
        {"-1", "a core number is missing"},
        {",", "a core number is missing"},
        {"1,,2", "a core number is missing"},
        {"1-", "last core is missing"},
        {"3-1", "downwards"},
        {"1023-1023", "end at 1022"},
        {"0-4000000000", "end at 1022"},
        {"0-18446744073709551616", "last core is missing or is not a number"},
        {"1,1", "twice"},
        {"0-3,2", "twice"},
        {"1-2-3", "only ',' and '-'"},
        {"0-1;3", "only ',' and '-'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t count;
        uint32_t *list;
        const char *why = NULL;
        cr_expect_eq(config_parse_cores(cases[i].text, &count, &list, &why), -1, "\"%s\"",
                     cases[i].text);
        cr_expect_null(list);
        cr_expect(why && strstr(why, cases[i].why), "\"%s\": %s", cases[i].text, why);
    }
}

Test(parse, platforms)
{
    enum config_platform platform = PLATFORM_HOSTED;
    cr_expect(!config_parse_platform("auto", &platform) && platform == PLATFORM_AUTO);
    cr_expect(!config_parse_platform("pc", &platform) && platform == PLATFORM_PC);
    cr_expect(!config_parse_platform("hosted", &platform) && platform == PLATFORM_HOSTED);
    cr_expect_eq(config_parse_platform("PC", &platform), -1);
    cr_expect_eq(config_parse_platform("", &platform), -1);
}

Test(parse, names)
{
    char name[MACHINE_NAME_MAX + 1];
    cr_expect_null(config_name_refusal("Az09._-"));
    memset(name, 'a', sizeof(name));
    name[MACHINE_NAME_MAX - 1] = 0;
    cr_expect_null(config_name_refusal(name));
    name[MACHINE_NAME_MAX - 1] = 'a';
    name[MACHINE_NAME_MAX] = 0;
    cr_expect_str_eq(config_name_refusal(name), "it is longer than 63 characters");
    cr_expect_str_eq(config_name_refusal(""), "it is empty");
    cr_expect(strstr(config_name_refusal("a b"), "other characters"));
    cr_expect(strstr(config_name_refusal("\303\244"), "other characters"));
}

Test(parse, shown_sizes)
{
    char buffer[32];
    cr_expect_str_eq(config_show_size(0, buffer), "0 bytes");
    cr_expect_str_eq(config_show_size(4097, buffer), "4097 bytes");
    cr_expect_str_eq(config_show_size(UINT64_C(64) << 20, buffer), "64 MiB");
    cr_expect_str_eq(config_show_size((UINT64_C(3) << 30) + 4096, buffer), "3.0 GiB");
    cr_expect_str_eq(config_show_size(UINT64_MAX, buffer), "16777216.0 TiB");
}

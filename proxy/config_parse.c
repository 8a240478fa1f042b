/* Single values as users write them: sizes, core lists, platforms, names. Used by the command line
 * and the machine file alike, so that both take the same words. */
#include "proxy/config.h"
#include "proxy/config_build.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A decimal number at *text, which is moved behind it. Digits only: strtoull would take signs,
 * spaces and other bases. Returns 0, or -1 when there is no digit or the number does not fit. */
static int parse_number(const char **text, uint64_t *number)
{
    const char *at = *text;
    uint64_t value = 0;
    if (!isdigit((unsigned char)*at))
        return -1;
    for (; isdigit((unsigned char)*at); at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return -1;
    *text = at;
    *number = value;
    return 0;
}

int config_parse_size(const char *text, uint64_t *bytes)
{
    uint64_t value;
    if (parse_number(&text, &value))
        return -1;
    unsigned shift = 0;
    if (*text) {
        switch (toupper((unsigned char)*text++)) {
        case 'K':
            shift = 10;
            break;
        case 'M':
            shift = 20;
            break;
        case 'G':
            shift = 30;
            break;
        case 'T':
            shift = 40;
            break;
        default:
            return -1;
        }
        if (strcmp(text, "") && strcmp(text, "iB")) /* "64MiB" says the same as "64M" */
            return -1;
    }
    if (value > UINT64_MAX >> shift)
        return -1;
    *bytes = value << shift;
    return 0;
}

/* Takes "3" or "0-1" into `wanted`. Returns NULL or what is wrong. */
static const char *parse_range(const char **text, bool wanted[CONFIG_CORES_MAX])
{
    uint64_t first, last;
    if (parse_number(text, &first))
        return "a core number is missing or is not a number";
    last = first;
    if (**text == '-') {
        (*text)++;
        if (parse_number(text, &last))
            return "a range's last core is missing or is not a number";
    }
    if (last < first)
        return "a range goes downwards";
    if (last >= CONFIG_CORES_MAX)
        return "core numbers end at 1022";
    for (uint64_t core = first; core <= last; core++) {
        if (wanted[core])
            return "a core is named twice";
        wanted[core] = true;
    }
    return NULL;
}

int config_parse_cores(const char *text, size_t *count, uint32_t **list, const char **why)
{
    bool wanted[CONFIG_CORES_MAX] = {false};
    *list = NULL;
    if (!strpbrk(text, "-,")) {
        uint64_t number;
        if (parse_number(&text, &number) || *text) {
            *why = "it is not a number";
            return -1;
        }
        if (number < 1 || number > CONFIG_CORES_MAX) {
            *why = number ? "there can be no more than 1023 cores" : "an instance needs a core";
            return -1;
        }
        *count = (size_t)number;
        return 0;
    }
    do {
        *why = parse_range(&text, wanted);
        if (*why)
            return -1;
    } while (*text == ',' && *++text);
    /* A comma may end the list, so that "3," names core 3 where "3" would be a count. */
    if (*text) {
        *why = "behind a core number only ',' and '-' may stand";
        return -1;
    }
    *count = 0;
    for (size_t core = 0; core < CONFIG_CORES_MAX; core++)
        *count += wanted[core];
    *list = config_allocate(*count, sizeof(**list));
    size_t filled = 0;
    for (uint32_t core = 0; core < CONFIG_CORES_MAX; core++)
        if (wanted[core])
            (*list)[filled++] = core;
    return 0;
}

int config_parse_platform(const char *text, enum config_platform *platform)
{
    if (!strcmp(text, "auto"))
        *platform = PLATFORM_AUTO;
    else if (!strcmp(text, "pc"))
        *platform = PLATFORM_PC;
    else if (!strcmp(text, "hosted"))
        *platform = PLATFORM_HOSTED;
    else
        return -1;
    return 0;
}

const char *config_name_refusal(const char *name)
{
    size_t length = strlen(name);
    if (length == 0)
        return "it is empty";
    if (length >= MACHINE_NAME_MAX)
        return "it is longer than 63 characters";
    if (strspn(name, CONFIG_NAME_CHARACTERS) != length)
        return "it holds other characters than letters, digits, '.', '_' and '-'";
    return NULL;
}

const char *config_show_size(uint64_t bytes, char buffer[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    uint64_t value = bytes;
    /* One unit further as long as nothing is lost. */
    while (unit + 1 < sizeof(units) / sizeof(units[0]) && value && value % 1024 == 0) {
        value /= 1024;
        unit++;
    }
    /* Bytes stay exact for longer: someone has counted them. */
    if (value >= (unit ? 100000 : 100000000) && unit + 1 < sizeof(units) / sizeof(units[0])) {
        double about = (double)value;
        for (; about >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
            about /= 1024;
        snprintf(buffer, 32, "%.1f %s", about, units[unit]);
    } else {
        snprintf(buffer, 32, "%llu %s", (unsigned long long)value, units[unit]);
    }
    return buffer;
}

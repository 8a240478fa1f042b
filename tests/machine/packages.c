/* Well-known programs as Debian has them, static: busybox's applets, Lua and SQLite at work on
 * files in the instance's memory and in a mounted folder. What they print and leave is what it is
 * on Linux. */
#include "tests/machine/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SOURCES "tests/machine/programs/"

/* --- Busybox: one applet a run
 * --------------------------------------------------------------------- */

/* What the applets work on: names, sizes, bytes and times are the same in both folders. */
#define MAKE_TREE                                                                                  \
    "mkdir -p tree/deep/deeper && seq 1 3000 > tree/numbers && "                                   \
    "seq 1 500 | sed 's/$/ word/' > tree/deep/words && printf 'b 2\\na 1\\nc 3\\nb 1\\n' > "       \
    "tree/small && ln -s small tree/link && head -c 200000 /dev/zero > tree/zeros && "             \
    "gzip -nk tree/deep/words && tar --sort=name --owner=0 --group=0 --numeric-owner "             \
    "--mtime=@1000000000 -cf tree.tar tree && find . -exec touch -h -d @1000000000 {} +"

static void applets(const char *platform, size_t count, const char *const cases[][12])
{
    for (size_t i = 0; i < count; i++) {
        const char *words[13] = {NULL};

        for (size_t w = 0; w < 12 && cases[i][w]; w++)
            words[w] = cases[i][w];
        compare_trial(platform, &(struct trial){
                                    .program = "/bin/busybox",
                                    .words = words,
                                    .cores = "1",
                                    .memory = "64M",
                                    .place = PLACE_HOST,
                                    .input = SOURCES "lua/workload.lua",
                                    .prepare = MAKE_TREE,
                                });
    }
}
#define APPLETS(platform, cases) applets(platform, sizeof(cases) / sizeof((cases)[0]), cases)

MACHINE_TEST(busybox, reading)
{
    static const char *const cases[][12] = {
        {"ls", "-1Rp", "@/tree"},
        {"cat", "@/tree/small", "-", "@/tree/link"},
        {"grep", "-rn", "77 w", "@/tree/deep/words"},
        {"sort", "-k1,1", "-k2n", "@/tree/small"},
        {"sort", "-rn", "@/tree/numbers"},
        {"wc", "@/tree/numbers"},
        {"tail", "-n", "5", "@/tree/numbers"},
        {"cut", "-d ", "-f2", "@/tree/small"},
        {"od", "-c", "@/tree/small"},
        {"awk", "{ s += $1; n[$1 % 7]++ } END { print s; for (i = 0; i < 7; i++) print i, n[i] }",
         "@/tree/numbers"},
        {"sed", "-n", "s/^\\(.\\)9$/<\\1>/p; 1500,1510p", "@/tree/numbers"},
        {"diff", "@/tree/small", "@/tree/deep/words"},
        {"cmp", "@/tree/small", "@/tree/link"},
        {"stat", "-c", "%s %a %h %Y %F", "@/tree/small", "@/tree"},
        {"find", "@/tree/deep", "-name", "w*", "-size", "-10"},
        {"cat", "@/tree/missing"},
    };

    APPLETS(platform, cases);
}

MACHINE_TEST(busybox, sums_and_archives)
{
    static const char *const cases[][12] = {
        {"md5sum", "@/tree/numbers"},
        {"sha256sum", "-"},
        {"sha512sum", "@/tree/zeros"},
        {"cksum", "@/tree/numbers"},
        {"gunzip", "-c", "@/tree/deep/words.gz"},
        {"gzip", "@/tree/zeros"},
        {"bzip2", "-k", "@/tree/numbers"},
        {"tar", "-tvf", "@/tree.tar"},
        {"tar", "-xf", "@/tree.tar", "-C", "@/tree/deep/deeper"},
        {"tar", "-cf", "@/again.tar", "-C", "@/tree", "deep"},
        {"base64", "@/tree/small"},
        {"xxd", "@/tree/small"},
    };

    APPLETS(platform, cases);
}

MACHINE_TEST(busybox, changing)
{
    static const char *const cases[][12] = {
        {"cp", "-r", "@/tree", "@/copy"},
        {"mv", "@/tree/numbers", "@/tree/deep/moved"},
        {"rm", "-r", "@/tree/deep"},
        {"mkdir", "-p", "@/one/two/three"},
        {"sed", "-i", "s/word/WORD/", "@/tree/deep/words"},
        {"ln", "-s", "tree/small", "@/symbolic"},
        {"dd", "if=@/tree/zeros", "of=@/half", "bs=1000", "count=100", "skip=7"},
        {"truncate", "-s", "5000", "@/tree/numbers"},
        {"tee", "@/tree/copy"},
        {"rmdir", "@/tree"},
        {"split", "-l", "1000", "@/tree/numbers", "@/part"},
        {"install", "-m", "600", "@/tree/small", "@/installed"},
    };

    APPLETS(platform, cases);
}

/* --- Lua and SQLite
 * -------------------------------------------------------------------------------- */

/* The script comes as standard input. */
static void lua(const char *platform, enum place place, const char *cores)
{
    static const char *const words[] = {"-", "@", "3", NULL};
    static const char *const environment[] = {"ONE=two", NULL};

    compare_trial(platform, &(struct trial){
                                .program = program_path("lua"),
                                .words = words,
                                .environment = environment,
                                .cores = cores,
                                .place = place,
                                .input = SOURCES "lua/workload.lua",
                            });
}

MACHINE_TEST(lua, workload)
{
    lua(platform, PLACE_MEMORY, "1");
    lua(platform, PLACE_HOST, "2");
}

/* In memory, on /tmp and in a mounted folder; a file is read again by a second run on Linux. */
static void sqlite(const char *platform, const char *journal, const char *locking, enum place place)
{
    static const char *const in_memory[] = {"-batch",    "-bail",    "-init",
                                            "/dev/null", ":memory:", NULL};
    char pragma[128];
    const char *in_file[] = {"-batch", "-bail", "-cmd", pragma, "@/data.db", NULL};

    snprintf(pragma, sizeof(pragma), "PRAGMA locking_mode = %s; PRAGMA journal_mode = %s;", locking,
             journal);
    compare_trial(platform, &(struct trial){
                                .program = program_path("sqlite3"),
                                .words = place == PLACE_NONE ? in_memory : in_file,
                                .place = place,
                                .input = SOURCES "sql/workload.sql",
                            });
}

MACHINE_TEST(sqlite, in_memory)
{
    sqlite(platform, "memory", "normal", PLACE_NONE);
}

/* The write-ahead log's index is in memory when one process alone has the database, otherwise it is
 * a file that is mapped shared. */
static void all_journals(const char *platform, enum place place)
{
    sqlite(platform, "delete", "normal", place);
    sqlite(platform, "truncate", "normal", place);
    sqlite(platform, "wal", "exclusive", place);
}

MACHINE_TEST(sqlite, on_tmp)
{
    all_journals(platform, PLACE_MEMORY);
    sqlite(platform, "wal", "normal", PLACE_MEMORY);
}

MACHINE_TEST(sqlite, on_the_host)
{
    all_journals(platform, PLACE_HOST);
    sqlite(platform, "wal", "normal", PLACE_HOST);
}

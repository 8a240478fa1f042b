/* Every construct of OpenMP 4.5 that libgomp serves, by results that do not depend on how the
 * threads run. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ITEMS 20000

static long work(long i)
{
    return (i * 2654435761L) % 1009;
}

static long expected(void)
{
    long sum = 0;

    for (long i = 0; i < ITEMS; i++)
        sum += work(i);
    return sum;
}

static void say(const char *what, int good)
{
    printf("%s: %s\n", what, good ? "right" : "WRONG");
    fflush(stdout);
}

static void teams(int threads)
{
    int seen[64] = {0}, count = 0, master = -1;

#pragma omp parallel num_threads(threads)
    {
#pragma omp atomic
        seen[omp_get_thread_num()]++;
#pragma omp single
        count = omp_get_num_threads();
#pragma omp master
        master = omp_get_thread_num();
    }
    int once = 1;
    for (int i = 0; i < threads; i++)
        once = once && seen[i] == 1;
    say("parallel, single, master", once && count == threads && master == 0);
}

static void loops(void)
{
    static int visits[ITEMS];
    long want = expected(), sum = 0;

    memset(visits, 0, sizeof(visits));
#pragma omp parallel for schedule(static)
    for (long i = 0; i < ITEMS; i++)
        visits[i]++;
#pragma omp parallel for schedule(static, 7)
    for (long i = 0; i < ITEMS; i++)
        visits[i]++;
#pragma omp parallel for schedule(dynamic)
    for (long i = 0; i < ITEMS; i++)
        visits[i]++;
#pragma omp parallel for schedule(dynamic, 64)
    for (long i = 0; i < ITEMS; i++)
        visits[i]++;
#pragma omp parallel for schedule(guided)
    for (long i = 0; i < ITEMS; i++)
        visits[i]++;
#pragma omp parallel for schedule(auto)
    for (long i = 0; i < ITEMS; i++)
        visits[i]++;
    omp_set_schedule(omp_sched_guided, 5);
#pragma omp parallel for schedule(runtime)
    for (long i = 0; i < ITEMS; i++)
        visits[i]++;
#pragma omp parallel for schedule(nonmonotonic : dynamic, 3)
    for (long i = 0; i < ITEMS; i++)
        visits[i]++;
#pragma omp parallel for simd
    for (long i = 0; i < ITEMS; i++)
        visits[i]++;
    int all = 1;
    for (long i = 0; i < ITEMS; i++)
        all = all && visits[i] == 9;
    say("every schedule", all);

#pragma omp parallel for reduction(+ : sum)
    for (long i = 0; i < ITEMS; i++)
        sum += work(i);
    say("reduction +", sum == want);
    long most = 0, least = 1 << 30, bits = 0, product = 1;
    int both = 1;
#pragma omp parallel for reduction(max : most) reduction(min : least) reduction(| : bits) \
    reduction(&& : both)
    for (long i = 0; i < ITEMS; i++) {
        most = work(i) > most ? work(i) : most;
        least = work(i) < least ? work(i) : least;
        bits |= 1L << (i % 40);
        both = both && i >= 0;
    }
#pragma omp parallel for reduction(* : product)
    for (long i = 1; i <= 20; i++)
        product *= i;
    say("reductions", most == 1008 && least == 0 && bits == (1L << 40) - 1 && both &&
                          product == 2432902008176640000L);
    long parts[10] = {0};
#pragma omp parallel for reduction(+ : parts[:10])
    for (long i = 0; i < ITEMS; i++)
        parts[i % 10] += work(i);
    sum = 0;
    for (int i = 0; i < 10; i++)
        sum += parts[i];
    say("reduction of an array", sum == want);
    sum = 0;
#pragma omp parallel for collapse(3) reduction(+ : sum)
    for (int i = 0; i < 10; i++)
        for (int j = 0; j < 20; j++)
            for (int k = 0; k < 30; k++)
                sum += i * 600 + j * 30 + k;
    say("collapse", sum == 5999L * 6000 / 2);
    long order = 0, last = -1, first = 100;
#pragma omp parallel for ordered schedule(dynamic) firstprivate(first) lastprivate(last)
    for (long i = 0; i < 500; i++) {
        last = first + i;
#pragma omp ordered
        order = order == i ? i + 1 : -1;
    }
    say("ordered, firstprivate, lastprivate", order == 500 && last == 599);
    static long grid[33][33];
#pragma omp parallel for ordered(2)
    for (int i = 1; i < 33; i++)
        for (int j = 1; j < 33; j++) {
#pragma omp ordered depend(sink : i - 1, j) depend(sink : i, j - 1)
            grid[i][j] = 1 + (grid[i - 1][j] > grid[i][j - 1] ? grid[i - 1][j] : grid[i][j - 1]);
#pragma omp ordered depend(source)
        }
    say("doacross", grid[32][32] == 63);
}

static void sections(void)
{
    int done[5] = {0};

#pragma omp parallel sections
    {
#pragma omp section
        done[0]++;
#pragma omp section
        done[1]++;
#pragma omp section
        done[2]++;
#pragma omp section
        done[3]++;
#pragma omp section
        done[4]++;
    }
    say("sections", done[0] + done[1] + done[2] + done[3] + done[4] == 5);
    long value = 0, copies = 0;
#pragma omp parallel firstprivate(value) reduction(+ : copies)
    {
#pragma omp single copyprivate(value)
        value = 77;
        copies += value == 77;
#pragma omp barrier
    }
    say("copyprivate", copies == omp_get_max_threads());
}

static long fibonacci(int n)
{
    long one, other;

    if (n < 2)
        return n;
    if (n < 8)
        return fibonacci(n - 1) + fibonacci(n - 2);
#pragma omp task shared(one)
    one = fibonacci(n - 1);
#pragma omp task shared(other)
    other = fibonacci(n - 2);
#pragma omp taskwait
    return one + other;
}

static void tasks(void)
{
    long result = 0, sum = 0, chain = 1, steps[64] = {0};

#pragma omp parallel
#pragma omp single
    result = fibonacci(22);
    say("tasks", result == 17711);
#pragma omp parallel
#pragma omp single
#pragma omp taskloop grainsize(100) reduction(+ : sum)
    for (long i = 0; i < ITEMS; i++)
        sum += work(i);
    say("taskloop", sum == expected());
#pragma omp parallel
#pragma omp single
    for (int i = 0; i < 60; i++) {
#pragma omp task depend(inout : chain)
        chain = (chain * 3 + i) % 1000003;
#pragma omp task depend(in : chain) depend(out : steps[i]) priority(i % 3)
        steps[i] = chain;
    }
    long alone = 1;
    int good = 1;
    for (int i = 0; i < 60; i++) {
        alone = (alone * 3 + i) % 1000003;
        good = good && steps[i] == alone;
    }
    say("depend", good && chain == alone);
    long grouped = 0, after = -1;
#pragma omp parallel
#pragma omp single
    {
#pragma omp taskgroup
        {
            for (int i = 0; i < 50; i++)
#pragma omp task
            {
#pragma omp task
                {
#pragma omp atomic
                    grouped++;
                }
            }
        }
#pragma omp atomic read
        after = grouped;
#pragma omp task if (0)
        grouped += 1000;
#pragma omp task final(1) mergeable untied
        grouped += 10000;
#pragma omp taskyield
    }
    say("taskgroup, if, final, untied", after == 50 && grouped == 11050);
    long cancelled = 0;
#pragma omp parallel reduction(+ : cancelled)
    {
#pragma omp for
        for (long i = 0; i < ITEMS; i++) {
            cancelled++;
#pragma omp cancel for if (i % 100 == 50)
        }
    }
    say("cancel", omp_get_cancellation() ? cancelled < ITEMS : cancelled == ITEMS);
}

static long own_count = 5;
#pragma omp threadprivate(own_count)

static void shared_data(void)
{
    long plain = 0, named = 0, exact = 0, captured = 0, good = 0;
    omp_lock_t lock;
    omp_nest_lock_t nest;

    omp_init_lock(&lock);
    omp_init_nest_lock(&nest);
    long locked = 0, nested = 0;
#pragma omp parallel num_threads(4)
    for (int i = 0; i < 1000; i++) {
#pragma omp critical
        plain++;
#pragma omp critical(other)
        named++;
#pragma omp atomic
        exact++;
        long old;
#pragma omp atomic capture
        old = captured++;
        (void)old;
        omp_set_lock(&lock);
        locked++;
        omp_unset_lock(&lock);
        omp_set_nest_lock(&nest);
        omp_set_nest_lock(&nest);
        nested++;
        omp_unset_nest_lock(&nest);
        omp_unset_nest_lock(&nest);
        while (!omp_test_lock(&lock))
            ;
        locked++;
        omp_unset_lock(&lock);
    }
    omp_destroy_lock(&lock);
    omp_destroy_nest_lock(&nest);
    say("critical, atomic, locks", plain == 4000 && named == 4000 && exact == 4000 &&
                                       captured == 4000 && locked == 8000 && nested == 4000);
    omp_set_dynamic(0);
    own_count = 11;
#pragma omp parallel num_threads(4) copyin(own_count)
    own_count += omp_get_thread_num();
#pragma omp parallel num_threads(4) reduction(+ : good)
    good += own_count == 11 + omp_get_thread_num();
    say("threadprivate, copyin", good == 4);
    long flag = 0, datum = 0, read = 0;
#pragma omp parallel num_threads(2)
    {
        if (omp_get_thread_num() == 0) {
            datum = 9;
#pragma omp flush
#pragma omp atomic write
            flag = 1;
        } else {
            long seen = 0;
            while (!seen) {
#pragma omp atomic read
                seen = flag;
            }
#pragma omp flush
            read = datum;
        }
    }
    say("flush", read == 9);
}

static void barriers(void)
{
    long phase[8] = {0}, wrong = 0;

#pragma omp parallel num_threads(4) reduction(+ : wrong)
    {
        int own = omp_get_thread_num(), next = (own + 1) % 4;
        for (long i = 1; i <= 500; i++) {
            phase[own] = i;
#pragma omp barrier
            wrong += phase[next] != i;
#pragma omp barrier
        }
    }
    say("barriers", wrong == 0);
}

static void nesting(void)
{
    long leaves = 0, levels = 0;

    omp_set_max_active_levels(3);
#pragma omp parallel num_threads(2) reduction(+ : leaves, levels)
#pragma omp parallel num_threads(3) reduction(+ : leaves, levels)
#pragma omp parallel num_threads(2) reduction(+ : leaves, levels)
    {
        leaves++;
        levels += omp_get_level() == 3 && omp_get_active_level() == 3 &&
                  omp_get_ancestor_thread_num(1) < 2 && omp_get_team_size(2) == 3;
    }
    say("nested", leaves == 12 && levels == 12);
    omp_set_max_active_levels(1);
    leaves = 0;
#pragma omp parallel num_threads(2) reduction(+ : leaves)
#pragma omp parallel num_threads(3) reduction(+ : leaves)
    leaves++;
    say("one level", leaves == 2);
}

static void times(void)
{
    double before = omp_get_wtime();

    usleep(2000);
    say("omp_get_wtime", omp_get_wtime() - before >= 0.002 && omp_get_wtick() < 0.01);
    say("omp_get_num_devices", omp_get_num_devices() == 0);
    long target = 0;
#pragma omp target map(tofrom : target)
    target = omp_is_initial_device() ? 1 : 2;
    say("target falls to the host", target == 1);
    long sum = 0;
#pragma omp teams distribute parallel for reduction(+ : sum)
    for (long i = 0; i < ITEMS; i++)
        sum += work(i);
    say("teams distribute", sum == expected());
}

int main(void)
{
    fprintf(stderr, "cores %d\n", omp_get_max_threads());
    fprintf(stderr, "processors %d\n", omp_get_num_procs());
    for (int threads = 1; threads <= 8; threads++)
        teams(threads);
    loops();
    sections();
    tasks();
    shared_data();
    barriers();
    nesting();
    times();
    return 0;
}

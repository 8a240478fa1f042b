/* Where OpenMP's threads run: OMP_PLACES and OMP_PROC_BIND, by what each thread may use and where
 * it is. Prints a line for each thread; with fewer cores than places it would differ, so that the
 * test says what it expects. */
#include <omp.h>
#include <sched.h>
#include <stdio.h>

#define THREADS_MAX 64

int main(void)
{
    static char lines[THREADS_MAX][128];
    int threads = 0;

    printf("places %d, bind %d\n", omp_get_num_places(), (int)omp_get_proc_bind());
#pragma omp parallel
    {
        int own = omp_get_thread_num(), length, wandered = 0;
        cpu_set_t may;

        sched_getaffinity(0, sizeof(may), &may);
        for (int i = 0; i < 50; i++) {
            sched_yield();
            wandered += !CPU_ISSET((unsigned)sched_getcpu(), &may);
        }
        length = snprintf(lines[own], sizeof(lines[own]), "thread %d, place %d, may use", own,
                          omp_get_place_num());
        for (int core = 0; core < 32; core++)
            if (CPU_ISSET((unsigned)core, &may))
                length +=
                    snprintf(lines[own] + length, sizeof(lines[own]) - (size_t)length, " %d", core);
        if (wandered)
            snprintf(lines[own] + length, sizeof(lines[own]) - (size_t)length, ", was elsewhere");
#pragma omp single
        threads = omp_get_num_threads();
    }
    for (int i = 0; i < threads; i++)
        printf("%s\n", lines[i]);
    return 0;
}

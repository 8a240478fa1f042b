/* How all measures of bench/mpi are taken: short batches, whose length the first few turns decide,
 * and of them the median and the fastest tenth. Any MPI library compiles these sources. */
#ifndef BENCH_MPI_MEASURE_H
#define BENCH_MPI_MEASURE_H

#include <mpi.h>
#include <stddef.h>

extern int rank, size; /* in MPI_COMM_WORLD */

/* Does `count` turns of something on this rank. */
typedef void operation(void *state, int count);

/* Called by all ranks. Rank 0 prints "NAME BYTES MEDIAN FASTEST": nanoseconds of a turn divided by
 * `parts`. */
void measure(const char *name, size_t bytes, double parts, operation *run, void *state);

/* Nanoseconds of one turn, the median of the batches; known to all ranks. */
double measure_time(operation *run, void *state);

/* Prints a line of the same form, on rank 0. */
void measure_print(const char *name, size_t bytes, double median, double fastest);

/* Memory that has been touched; ends the job where there is none. */
void *measure_memory(size_t bytes);

/* The measures by name; each is called by all ranks. */
void run_latency(void);
void run_bandwidth(void);
void run_bidirectional(void);
void run_pairs(void);
void run_threads(void);
void run_collectives(void);
void run_overlap(void);
void run_windows(void);

#endif

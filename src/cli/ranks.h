/* Processes that a launcher (mpirun, srun, …) has started for one job, told by the variables that it sets. */
#ifndef WEFT_CLI_RANKS_H
#define WEFT_CLI_RANKS_H

typedef struct cli_ranks {
    int rank, size; /* 0 of 1 without a launcher */
    int local;      /* of them on this machine */
} cli_ranks;

cli_ranks cli_ranks_of_job(void);

/* Threads of one of them where none were asked for: its share of the machine's cores, and not more than it is bound to. */
int cli_ranks_threads(const cli_ranks *);

#endif

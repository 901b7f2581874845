/* Which process of a job this one is. */
#include "cli/ranks.h"

#include "base/threads.h"

#include <stdlib.h>
#include <unistd.h>

enum { MOST_RANKS = 1 << 24 };

/* The variables of one launcher; the first row whose rank is set counts. */
static const struct {
    const char *rank, *size, *local;
} launchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"}, /* Open MPI */
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"},                                    /* MPICH, Intel MPI: Hydra */
    {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE"},    /* MVAPICH */
    {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE"},                      /* srun */
};

static int number_of(const char *variable, int otherwise)
{
    const char *text = getenv(variable);
    char *end = NULL;
    long value = text ? strtol(text, &end, 10) : -1;
    return text && *text && !*end && value >= 0 && value < MOST_RANKS ? (int)value : otherwise;
}

cli_ranks cli_ranks_of_job(void)
{
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++) {
        int rank = number_of(launchers[i].rank, -1), size = number_of(launchers[i].size, 1);
        int local = number_of(launchers[i].local, 1);
        if (rank >= 0 && rank < size)
            return (cli_ranks){rank, size, local < 1 ? 1 : local};
    }
    return (cli_ranks){0, 1, 1};
}

int cli_ranks_threads(const cli_ranks *r)
{
    int bound = weft_cores(), share = (int)(sysconf(_SC_NPROCESSORS_ONLN) / r->local);
    share = share < 1 ? 1 : share;
    return bound < share ? bound : share;
}

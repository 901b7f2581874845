/* What an engine tells beside cycles, by formulas: counts of DRAM commands, their energies, utilisations. */
#include <math.h>

#include "hardware/analytic.h"

/* Rows opened a row of lines, fitted on the event engine: blocks straddle rows. */
#define ROWS_OPENED 1.2

/* Counts of commands and their energies (spec 7), from what the operators moved. */
void weft_analytic_totals(weft_analytic *a, double end)
{
    weft_dram_totals *d = &a->out->dram;
    const weft_hardware_memory *m = &a->job->hardware->memory;
    const weft_dram_timing *t = &m->timing;
    const weft_dram_power *p = &m->power;
    double cycles = end / weft_analytic_clocks(a->job), groups = (double)m->ranks * m->bankgroups,
           banks = groups * m->banks_per_group;
    bool pim = m->kind != WEFT_MEMORY_PLAIN, dual = m->kind == WEFT_MEMORY_DUAL;
    d->num_cycles = llround(cycles * m->channels);
    d->num_read_cmds = d->num_reads_done = llround(a->totals[0]);
    d->num_write_cmds = d->num_writes_done = llround(a->totals[1]);
    d->num_act_cmds = d->num_pre_cmds = llround(ROWS_OPENED * (a->totals[0] + a->totals[1]) / m->columns);
    d->num_ref_cmds = llround(floor(cycles / ((double)t->tREFI / m->ranks)) * m->channels);
    d->num_gwrite_cmds = llround(a->totals[3]);
    d->num_gact_cmds = llround(a->totals[2] * groups);
    d->num_pim_precharge_cmds = dual ? llround(a->totals[2] * banks) : 0;
    d->num_header_cmds = llround(a->totals[2]);
    d->num_comp_cmds = llround(a->totals[4]);
    d->num_readres_cmds = d->num_readres_done = llround(a->totals[5]);
    d->pim_cycles = llround(a->busy * m->channels);
    double read = p->VDD * (p->IDD4R - p->IDD3N) * t->burst;
    double act = p->VDD * (p->IDD0 * (t->tRAS + t->tRP) - p->IDD3N * t->tRAS - p->IDD2N * t->tRP);
    d->act_energy = act * (double)d->num_act_cmds;
    d->read_energy = read * (double)d->num_read_cmds;
    d->write_energy = p->VDD * (p->IDD4W - p->IDD3N) * t->burst * (double)d->num_write_cmds;
    d->ref_energy = p->VDD * (p->IDD5AB - p->IDD3N) * t->tRFC * (double)d->num_ref_cmds;
    d->gwrite_energy = 16 * read * (double)d->num_gwrite_cmds;
    d->gact_energy = 4 * act * (double)d->num_gact_cmds;
    d->comp_energy = 4 * read * (double)d->num_comp_cmds;
    d->readres_energy = read * (double)d->num_readres_cmds;
    double all = cycles * m->channels * m->ranks; /* some row is open while operators stream; refreshes close all */
    double active = all * (a->streaming < end ? a->streaming / end : 1);
    double pim_active = dual ? (double)d->pim_cycles * m->ranks : 0, pim_idle = dual ? all - pim_active : 0;
    d->rank_active_cycles = llround(active);
    d->rank_idle_cycles = llround(all - active);
    d->pim_rank_active_cycles = llround(pim_active);
    d->pim_rank_idle_cycles = llround(pim_idle);
    d->background_energy = p->VDD * (p->IDD3N * (active + pim_active) + p->IDD2N * (all - active + pim_idle));
    d->total_energy = d->act_energy + d->read_energy + d->write_energy + d->ref_energy + d->background_energy +
                      (pim ? d->gwrite_energy + d->gact_energy + d->comp_energy + d->readres_energy : 0);
}

void weft_analytic_stats(weft_analytic *a, double end)
{
    weft_hardware_result *r = a->out;
    const weft_hardware_npu *n = &a->job->hardware->npu;
    r->total_cycles = llround(end);
    r->stats.core_cycles = r->total_cycles;
    r->stats.dram_cycles = llround(end / weft_analytic_clocks(a->job));
    r->stats.load_lines = llround(a->totals[0]);
    r->stats.store_lines = llround(a->totals[1]);
    r->stats.pim_commands = llround(a->totals[2] + a->totals[3] + a->totals[5]);
    double pes = (double)n->systolic_arrays * n->systolic_height * n->systolic_width;
    r->npu_utilization = end > 0 ? (double)r->stats.macs / (pes * end) : 0;
    r->pim_utilization = end > 0 ? a->busy * weft_analytic_clocks(a->job) / end : 0;
    r->bandwidth_utilization = end > 0 ? (a->totals[0] + a->totals[1] + a->totals[5]) / a->lines / end : 0;
    for (int i = 0; i < r->stage_count; i++) {
        double lines = 0;
        for (int k = 0; k < r->op_count; k++)
            if (r->ops[k].stage == r->stages[i].name)
                lines += (double)(r->ops[k].read_lines + r->ops[k].write_lines);
        if (r->stages[i].cycles > 0)
            r->stages[i].bandwidth_percent = 100 * lines / a->lines / (double)r->stages[i].cycles;
    }
}

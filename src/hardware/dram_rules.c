/* Delays between DRAM commands, derived from the timing parameters as DRAMsim3 derives them, and energies from currents. */
#include "hardware/dram_rules.h"

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int log2_of(int64_t n)
{
    int bits = 0;
    while ((int64_t)1 << (bits + 1) <= n)
        bits++;
    return bits;
}

static void add(weft_dram_rules *r, weft_dram_command command, weft_level level, weft_dram_command next, int cycles)
{
    if (cycles > 0)
        r->delays[command][r->delay_count[command]++] = (weft_delay){(uint8_t)level, (uint8_t)next, cycles};
}

/* The same wait for COMP, READRES and COMPS_READRES, which need every bank: the channel's. */
static void add_compute(weft_dram_rules *r, weft_dram_command command, int cycles)
{
    add(r, command, WEFT_LEVEL_CHANNEL, WEFT_DRAM_COMP, cycles);
    add(r, command, WEFT_LEVEL_CHANNEL, WEFT_DRAM_READRES, cycles);
    add(r, command, WEFT_LEVEL_CHANNEL, WEFT_DRAM_COMPS_READRES, cycles);
}

/* READ and WRITE: the bus is the rank's; a group's banks share more. */
static void add_bursts(weft_dram_rules *r, const weft_dram_timing *t)
{
    bool dual = r->kind == WEFT_MEMORY_DUAL;
    int rl = t->AL + t->CL, wl = t->AL + t->CWL, read_delay = rl + t->burst, write_delay = wl + t->burst;
    int same_l = larger(t->burst, t->tCCD_L), same_s = larger(t->burst, t->tCCD_S), other = t->burst + t->tRTRS;
    int read_write = rl + t->burst - wl + t->tRTRS, write_read_l = write_delay + t->tWTR_L,
        write_read_s = write_delay + t->tWTR_S;
    int read_write_o = read_delay + t->burst + t->tRTRS - write_delay,
        write_read_o = write_delay + t->burst + t->tRTRS - read_delay;
    /* With its own buffer, computing in the group that reads need not wait; some other group's always does. */
    int read_compute = dual && r->groups > 1 ? same_s : dual ? 0 : same_l;
    int write_compute = dual && r->groups > 1 ? write_read_s : dual ? 0 : write_read_l;
    const struct {
        weft_level level;
        int read, write;
    } read[] = {{WEFT_LEVEL_GROUP, same_l, read_write},
                {WEFT_LEVEL_RANK, same_s, read_write},
                {WEFT_LEVEL_OTHER_RANKS, other, read_write_o}};
    const struct {
        weft_level level;
        int read, write;
    } write[] = {{WEFT_LEVEL_GROUP, write_read_l, same_l},
                 {WEFT_LEVEL_RANK, write_read_s, same_s},
                 {WEFT_LEVEL_OTHER_RANKS, write_read_o, other - t->tRTRS}};
    for (int i = 0; i < 3; i++) {
        add(r, WEFT_DRAM_READ, read[i].level, WEFT_DRAM_READ, read[i].read);
        add(r, WEFT_DRAM_READ, read[i].level, WEFT_DRAM_WRITE, read[i].write);
        add(r, WEFT_DRAM_WRITE, write[i].level, WEFT_DRAM_READ, write[i].read);
        add(r, WEFT_DRAM_WRITE, write[i].level, WEFT_DRAM_WRITE, write[i].write);
    }
    add(r, WEFT_DRAM_READ, WEFT_LEVEL_GROUP, WEFT_DRAM_GWRITE, same_l);
    add(r, WEFT_DRAM_READ, WEFT_LEVEL_RANK, WEFT_DRAM_GWRITE, same_s);
    add(r, WEFT_DRAM_READ, WEFT_LEVEL_BANK, WEFT_DRAM_PRECHARGE, t->AL + t->tRTP);
    add_compute(r, WEFT_DRAM_READ, read_compute);
    if (r->ranks > 1)
        add(r, WEFT_DRAM_READ, WEFT_LEVEL_CHANNEL, WEFT_DRAM_READRES, other);
    add(r, WEFT_DRAM_WRITE, WEFT_LEVEL_GROUP, WEFT_DRAM_GWRITE, write_read_l);
    add(r, WEFT_DRAM_WRITE, WEFT_LEVEL_RANK, WEFT_DRAM_GWRITE, write_read_s);
    add(r, WEFT_DRAM_WRITE, WEFT_LEVEL_BANK, WEFT_DRAM_PRECHARGE, wl + t->burst + t->tWR);
    add_compute(r, WEFT_DRAM_WRITE, write_compute);
}

/* Opening and closing rows. */
static void add_rows(weft_dram_rules *r, const weft_dram_timing *t)
{
    bool dual = r->kind == WEFT_MEMORY_DUAL;
    int trc = t->tRAS + t->tRP;
    add(r, WEFT_DRAM_ACTIVATE, WEFT_LEVEL_BANK, WEFT_DRAM_ACTIVATE, trc);
    add(r, WEFT_DRAM_ACTIVATE, WEFT_LEVEL_BANK, WEFT_DRAM_READ, t->tRCDRD - t->AL);
    add(r, WEFT_DRAM_ACTIVATE, WEFT_LEVEL_BANK, WEFT_DRAM_WRITE, t->tRCDWR - t->AL);
    add(r, WEFT_DRAM_ACTIVATE, WEFT_LEVEL_BANK, WEFT_DRAM_GWRITE, t->tRCDRD - t->AL);
    add(r, WEFT_DRAM_ACTIVATE, WEFT_LEVEL_BANK, WEFT_DRAM_PRECHARGE, t->tRAS);
    add(r, WEFT_DRAM_ACTIVATE, WEFT_LEVEL_BANK, WEFT_DRAM_G_ACTIVATE, dual ? t->tRRD_L : trc);
    add(r, WEFT_DRAM_ACTIVATE, WEFT_LEVEL_GROUP, WEFT_DRAM_ACTIVATE, t->tRRD_L);
    add(r, WEFT_DRAM_ACTIVATE, WEFT_LEVEL_GROUP, WEFT_DRAM_G_ACTIVATE, t->tRRD_L);
    add(r, WEFT_DRAM_ACTIVATE, WEFT_LEVEL_RANK, WEFT_DRAM_ACTIVATE, t->tRRD_S);
    add(r, WEFT_DRAM_ACTIVATE, WEFT_LEVEL_RANK, WEFT_DRAM_G_ACTIVATE, t->tRRD_S);
    add(r, WEFT_DRAM_PRECHARGE, WEFT_LEVEL_BANK, WEFT_DRAM_ACTIVATE, t->tRP);
    add(r, WEFT_DRAM_PRECHARGE, WEFT_LEVEL_BANK, WEFT_DRAM_REFRESH, t->tRP);
    add(r, WEFT_DRAM_PIM_PRECHARGE, WEFT_LEVEL_BANK, WEFT_DRAM_REFRESH, t->tRP);
    add(r, WEFT_DRAM_PIM_PRECHARGE, WEFT_LEVEL_BANK, WEFT_DRAM_G_ACTIVATE, t->tRP);
    add(r, WEFT_DRAM_REFRESH, WEFT_LEVEL_RANK, WEFT_DRAM_ACTIVATE, t->tRFC);
    add(r, WEFT_DRAM_REFRESH, WEFT_LEVEL_RANK, WEFT_DRAM_REFRESH, t->tRFC);
    add(r, WEFT_DRAM_REFRESH, WEFT_LEVEL_RANK, WEFT_DRAM_G_ACTIVATE, t->tRFC);
    add(r, WEFT_DRAM_G_ACTIVATE, WEFT_LEVEL_GROUP, WEFT_DRAM_ACTIVATE, dual ? t->tRRD_L : trc);
    add(r, WEFT_DRAM_G_ACTIVATE, WEFT_LEVEL_GROUP, WEFT_DRAM_G_ACTIVATE, trc);
    add(r, WEFT_DRAM_G_ACTIVATE, WEFT_LEVEL_GROUP, WEFT_DRAM_PIM_PRECHARGE, t->tRAS);
    add(r, WEFT_DRAM_G_ACTIVATE, WEFT_LEVEL_RANK, WEFT_DRAM_ACTIVATE, t->tFAW);
    add(r, WEFT_DRAM_G_ACTIVATE, WEFT_LEVEL_RANK, WEFT_DRAM_G_ACTIVATE, t->tFAW);
    add_compute(r, WEFT_DRAM_G_ACTIVATE, t->tRCDRD);
    if (!dual) /* the row is the bank's only one */
        add(r, WEFT_DRAM_G_ACTIVATE, WEFT_LEVEL_GROUP, WEFT_DRAM_PRECHARGE, t->tRAS);
}

/* Computing. The wait after COMPS_READRES that depends on its length is added where it is issued. */
static void add_computing(weft_dram_rules *r, const weft_dram_timing *t)
{
    bool dual = r->kind == WEFT_MEMORY_DUAL;
    int rl = t->AL + t->CL, wl = t->AL + t->CWL;
    int same = larger(t->burst, t->tCCD_L), same_s = larger(t->burst, t->tCCD_S), other = t->burst + t->tRTRS;
    int to_write = rl + t->burst - wl + t->tRTRS;
    add(r, WEFT_DRAM_GWRITE, WEFT_LEVEL_BANK, WEFT_DRAM_READ, r->gwrite_latency);
    add(r, WEFT_DRAM_GWRITE, WEFT_LEVEL_BANK, WEFT_DRAM_WRITE, r->gwrite_latency);
    add(r, WEFT_DRAM_GWRITE, WEFT_LEVEL_BANK, WEFT_DRAM_PRECHARGE, r->gwrite_latency);
    add(r, WEFT_DRAM_GWRITE, WEFT_LEVEL_RANK, WEFT_DRAM_READ, same_s);
    add(r, WEFT_DRAM_GWRITE, WEFT_LEVEL_RANK, WEFT_DRAM_WRITE, to_write);
    add(r, WEFT_DRAM_GWRITE, WEFT_LEVEL_OTHER_BANKS, WEFT_DRAM_GWRITE, r->gwrite_latency);
    add_compute(r, WEFT_DRAM_GWRITE, r->gwrite_latency);
    const weft_dram_command results[] = {WEFT_DRAM_COMPS_READRES, WEFT_DRAM_READRES, WEFT_DRAM_COMP};
    for (int i = 0; i < 3; i++) {
        bool comp = results[i] == WEFT_DRAM_COMP;
        add(r, results[i], WEFT_LEVEL_CHANNEL, WEFT_DRAM_READ, comp ? same : other);
        add(r, results[i], WEFT_LEVEL_CHANNEL, WEFT_DRAM_WRITE, to_write);
        add(r, results[i], WEFT_LEVEL_CHANNEL, WEFT_DRAM_GWRITE, same);
        if (!comp)
            add(r, results[i], WEFT_LEVEL_CHANNEL, WEFT_DRAM_G_ACTIVATE, t->tRTP + t->tRP);
        add(r, results[i], WEFT_LEVEL_CHANNEL, dual ? WEFT_DRAM_PIM_PRECHARGE : WEFT_DRAM_PRECHARGE, t->AL + t->tRTP);
        if (results[i] != WEFT_DRAM_COMPS_READRES) {
            add(r, results[i], WEFT_LEVEL_CHANNEL, WEFT_DRAM_COMP, same);
            add(r, results[i], WEFT_LEVEL_CHANNEL, WEFT_DRAM_READRES, same);
        }
    }
}

void weft_dram_rules_make(const weft_hardware_memory *m, unsigned fixed, weft_dram_rules *r)
{
    const weft_dram_timing *t = &m->timing;
    *r = (weft_dram_rules){
        .kind = m->kind,
        .fixed = fixed,
        .channels = m->channels,
        .ranks = m->ranks,
        .groups = m->bankgroups,
        .banks_per_group = m->banks_per_group,
        .banks_per_rank = m->bankgroups * m->banks_per_group,
        .banks = m->ranks * m->bankgroups * m->banks_per_group,
        .offset_bits = log2_of(m->request_bytes),
        .column_bits = log2_of(m->columns),
        .channel_bits = log2_of(m->channels),
        .row_bits = log2_of(m->rows),
        .rows = m->rows,
        .command_queue = m->command_queue,
        .transaction_queue = m->transaction_queue,
        .read_latency = t->AL + t->CL + t->burst,
        .gwrite_latency = (t->tCCD_S + t->tCCD_L) * 32, /* two half rows of 16 columns, each read and kept */
        .refresh_interval = t->tREFI / m->ranks,
        .faw = t->tFAW,
        .precharge = t->tRP,
        .read_to_precharge = t->AL + t->tRTP,
        .activate_to_read = t->tRCDRD - t->AL,
        .burst = larger(t->burst, t->tCCD_L),
        .least_comps = 6,
        .power = m->power,
        .timing = *t,
    };
    r->bank_bits = log2_of(r->banks);
    r->response_limit = m->response_limit ? m->response_limit : m->kind == WEFT_MEMORY_PLAIN ? 96 : 4352;
    add_bursts(r, t);
    add_rows(r, t);
    add_computing(r, t);
}

/* DRAMsim3's formulas: V · mA · ns = pJ. A group activation opens four banks; a multiply reads in every group of a rank. */
void weft_dram_energy(const weft_dram_rules *r, weft_dram_totals *d)
{
    const weft_dram_power *p = &r->power;
    const weft_dram_timing *t = &r->timing;
    double act = p->VDD * (p->IDD0 * (t->tRAS + t->tRP) - (p->IDD3N * t->tRAS + p->IDD2N * t->tRP));
    double read = p->VDD * (p->IDD4R - p->IDD3N) * t->burst, write = p->VDD * (p->IDD4W - p->IDD3N) * t->burst;
    double refresh = p->VDD * (p->IDD5AB - p->IDD3N) * t->tRFC, active = p->VDD * p->IDD3N, idle = p->VDD * p->IDD2N;
    d->act_energy = (double)d->num_act_cmds * act;
    d->read_energy = (double)d->num_read_cmds * read;
    d->write_energy = (double)d->num_write_cmds * write;
    d->ref_energy = (double)d->num_ref_cmds * refresh;
    d->gwrite_energy = (double)d->num_gwrite_cmds * 16 * read;
    d->gact_energy = (double)d->num_gact_cmds * 4 * act;
    d->comp_energy = (double)d->num_comp_cmds * 4 * read;
    d->readres_energy = (double)d->num_readres_cmds * read;
    d->background_energy = (double)(d->rank_active_cycles + d->pim_rank_active_cycles) * active +
                           (double)(d->rank_idle_cycles + d->pim_rank_idle_cycles) * idle;
    d->total_energy = d->act_energy + d->read_energy + d->write_energy + d->ref_energy + d->gwrite_energy + d->gact_energy +
                      d->comp_energy + d->readres_energy + d->background_energy;
}

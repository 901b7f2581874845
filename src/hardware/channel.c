/* A channel's clock: requests come in, responses go out, refreshes fall due, transactions move into command queues. */
#include "hardware/channel_inner.h"

static bool is_pim(weft_access_type type)
{
    return type >= WEFT_ACCESS_GWRITE;
}

weft_status weft_channel_open(weft_channel *c, const weft_dram_rules *r, int index)
{
    *c = (weft_channel){.rules = r,
                        .index = index,
                        .reserved_row = -1,
                        .free = WEFT_NONE,
                        .owner_free = WEFT_NONE,
                        .pim_since = -1,
                        .turn = r->banks - 1};
    uint32_t depth = 1;
    while (depth < (uint32_t)r->command_queue)
        depth *= 2;
    c->queue_mask = depth - 1;
    c->entries = malloc((size_t)r->banks * depth * sizeof *c->entries);
    c->bucket = malloc(WEFT_PENDING_BUCKETS * sizeof *c->bucket);
    size_t queue = (size_t)r->transaction_queue * sizeof(weft_list_item);
    c->owner_bucket = malloc(WEFT_PENDING_BUCKETS * sizeof *c->owner_bucket);
    c->reads.item = malloc(queue);
    c->writes.item = malloc(queue);
    c->pims.item = malloc(queue);
    weft_ring_init(&c->pim_queue, sizeof(uint32_t));
    weft_ring_init(&c->responses, sizeof(weft_response));
    for (int i = 0; i < WEFT_RETURN_CLASSES; i++)
        weft_ring_init(&c->returns[i], sizeof(weft_return));
    if (!c->entries || !c->bucket || !c->owner_bucket || !c->reads.item || !c->writes.item || !c->pims.item)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a memory channel");
    memset(c->bucket, 0xff, WEFT_PENDING_BUCKETS * sizeof *c->bucket);
    memset(c->owner_bucket, 0xff, WEFT_PENDING_BUCKETS * sizeof *c->owner_bucket);
    for (int b = 0; b < r->banks; b++)
        c->bank[b].row = c->bank[b].pim_row = -1;
    return WEFT_OK;
}

void weft_channel_close(weft_channel *c)
{
    free(c->entries);
    free(c->bucket);
    free(c->pool);
    free(c->owners);
    free(c->owner_bucket);
    free(c->reads.item);
    free(c->writes.item);
    free(c->pims.item);
    weft_ring_free(&c->pim_queue);
    weft_ring_free(&c->responses);
    for (int i = 0; i < WEFT_RETURN_CLASSES; i++)
        weft_ring_free(&c->returns[i]);
}

/* ---- Pending transactions by address. ---- */

/* Lines of a row one after the other, rows scattered: the lines of a stream, and PIM rows, seldom meet. */
static uint32_t hash_of(const weft_channel *c, uint64_t address)
{
    const weft_dram_rules *r = c->rules;
    uint64_t line = address >> r->offset_bits, column = line & ((1u << r->column_bits) - 1);
    uint64_t rest = line >> (r->column_bits + r->channel_bits), row = rest >> r->bank_bits;
    return (uint32_t)((rest << r->column_bits) + column + row * 0x9e35u) % WEFT_PENDING_BUCKETS;
}

static uint32_t *bucket_of(const weft_channel *c, uint64_t address)
{
    return &c->bucket[hash_of(c, address)];
}

uint32_t weft_channel_pending(const weft_channel *c, uint64_t address, weft_access_type type)
{
    uint32_t t = *bucket_of(c, address);
    while (t != WEFT_NONE && (c->pool[t].address != address || c->pool[t].type != type))
        t = c->pool[t].chain;
    return t;
}

void weft_channel_forget(weft_channel *c, uint32_t transaction)
{
    uint32_t *link = bucket_of(c, c->pool[transaction].address);
    while (*link != WEFT_NONE && *link != transaction)
        link = &c->pool[*link].chain;
    if (*link == transaction)
        *link = c->pool[transaction].chain;
}

static uint32_t new_transaction(weft_channel *c)
{
    if (c->free == WEFT_NONE) {
        uint32_t size = c->pool_size ? 2 * c->pool_size : 64;
        weft_transaction *pool = realloc(c->pool, (size_t)size * sizeof *pool);
        if (!pool)
            return WEFT_NONE;
        for (uint32_t i = c->pool_size; i < size; i++)
            pool[i].chain = i + 1 < size ? i + 1 : WEFT_NONE;
        c->free = c->pool_size;
        c->pool = pool;
        c->pool_size = size;
    }
    uint32_t t = c->free;
    c->free = c->pool[t].chain;
    return t;
}

/* ---- Who waits for a response. ---- */

static void add_owner(weft_channel *c, uint64_t address, uint32_t tag, weft_access_type type)
{
    if (c->owner_free == WEFT_NONE) {
        uint32_t count = c->owner_count ? 2 * c->owner_count : 64;
        weft_owner *grown = realloc(c->owners, (size_t)count * sizeof *grown);
        if (!grown) {
            c->status = WEFT_ERROR_MEMORY;
            return;
        }
        for (uint32_t i = c->owner_count; i < count; i++)
            grown[i].next = i + 1 < count ? i + 1 : WEFT_NONE;
        c->owner_free = c->owner_count;
        c->owners = grown;
        c->owner_count = count;
    }
    uint32_t made = c->owner_free, *bucket = c->owner_bucket[hash_of(c, address)];
    c->owner_free = c->owners[made].next;
    c->owners[made] = (weft_owner){address, tag, (uint32_t)type, WEFT_NONE};
    if (bucket[1] != WEFT_NONE)
        c->owners[bucket[1]].next = made;
    else
        bucket[0] = made;
    bucket[1] = made;
}

/* Turns a response into that of the oldest request of its address. Writes are answered in their order. */
static weft_response to_owner(weft_channel *c, weft_response response)
{
    if (response.type == WEFT_ACCESS_WRITE)
        return response;
    uint32_t *bucket = c->owner_bucket[hash_of(c, response.address)], before = WEFT_NONE, owner = bucket[0];
    while (owner != WEFT_NONE && c->owners[owner].address != response.address) {
        before = owner;
        owner = c->owners[owner].next;
    }
    if (owner == WEFT_NONE)
        return response;
    weft_owner *found = &c->owners[owner];
    response.tag = found->tag;
    response.type = found->type;
    *(before == WEFT_NONE ? &bucket[0] : &c->owners[before].next) = found->next;
    if (bucket[1] == owner)
        bucket[1] = before;
    found->next = c->owner_free;
    c->owner_free = owner;
    return response;
}

/* ---- In and out. ---- */

bool weft_channel_accepts(const weft_channel *c, weft_access_type type)
{
    const weft_list *list = type == WEFT_ACCESS_WRITE                            ? &c->writes
                            : is_pim(type) && c->rules->kind == WEFT_MEMORY_DUAL ? &c->pims
                                                                                 : &c->reads;
    bool room = c->reserved + c->responses.count < c->rules->response_limit;
    return (room || type == WEFT_ACCESS_P_HEADER) && list->count < c->rules->transaction_queue;
}

void weft_channel_return(weft_channel *c, weft_return_class class, int64_t complete, const weft_transaction *t)
{
    weft_return *r = weft_ring_push(&c->returns[class]);
    if (!r) {
        c->status = WEFT_ERROR_MEMORY;
        return;
    }
    *r = (weft_return){complete, c->return_sequence++, {t->address, t->tag, t->type}};
}

static void link_pending(weft_channel *c, uint32_t transaction)
{
    uint32_t *bucket = bucket_of(c, c->pool[transaction].address);
    c->pool[transaction].chain = *bucket;
    *bucket = transaction;
}

static void append(const weft_channel *c, weft_list *list, uint32_t transaction)
{
    const weft_transaction *t = &c->pool[transaction];
    list->item[list->count++] = (weft_list_item){transaction, t->bank, t->type};
}

void weft_channel_add(weft_channel *c, int64_t clock, weft_access_type type, uint64_t address, uint32_t tag)
{
    c->clock = clock;
    c->acted = true;
    c->quiet = 0;
    c->blocked = false;
    c->reserved += type != WEFT_ACCESS_P_HEADER;
    if (type != WEFT_ACCESS_P_HEADER && type != WEFT_ACCESS_WRITE)
        add_owner(c, address, tag, type);
    weft_dram_place place = weft_dram_place_of(c->rules, address);
    weft_transaction made = {.address = address,
                             .arrival = clock,
                             .row = (int32_t)place.row,
                             .tag = tag,
                             .chain = WEFT_NONE,
                             .rider = WEFT_NONE,
                             .column = (uint32_t)place.column,
                             .bank = (uint8_t)place.bank,
                             .type = (uint8_t)type,
                             .queued = true};
    bool write = type == WEFT_ACCESS_WRITE, read = type == WEFT_ACCESS_READ;
    bool written = (read || write) && weft_channel_pending(c, address, WEFT_ACCESS_WRITE) != WEFT_NONE;
    if (write || (read && written)) /* posted; or read from the write buffer */
        weft_channel_return(c, WEFT_RETURN_AT_ONCE, clock + 1, &made);
    if (written)
        return;
    uint32_t t = new_transaction(c);
    if (t == WEFT_NONE) {
        c->status = WEFT_ERROR_MEMORY;
        return;
    }
    c->pool[t] = made;
    if (read) {
        uint32_t first = weft_channel_pending(c, address, WEFT_ACCESS_READ);
        if (first != WEFT_NONE) {
            while (c->pool[first].rider != WEFT_NONE)
                first = c->pool[first].rider;
            c->pool[first].rider = t;
            return;
        }
    }
    if (read || write)
        link_pending(c, t);
    append(c, write ? &c->writes : read || c->rules->kind != WEFT_MEMORY_DUAL ? &c->reads : &c->pims, t);
}

static void take_returns(weft_channel *c)
{
    for (;;) {
        weft_ring *from = NULL;
        const weft_return *first = NULL;
        for (int i = 0; i < WEFT_RETURN_CLASSES; i++) {
            const weft_return *head = weft_ring_head(&c->returns[i]);
            if (head && head->complete <= c->clock && (!first || head->sequence < first->sequence)) {
                first = head;
                from = &c->returns[i];
            }
        }
        if (!first)
            return;
        weft_response response = first->response;
        weft_ring_pop(from);
        weft_response *slot = weft_ring_push(&c->responses);
        if (slot)
            *slot = to_owner(c, response);
        else
            c->status = WEFT_ERROR_MEMORY;
        c->reserved--;
        c->acted = true;
        c->totals.num_reads_done += response.type == WEFT_ACCESS_READ;
        c->totals.num_writes_done += response.type == WEFT_ACCESS_WRITE;
        c->totals.num_readres_done += response.type == WEFT_ACCESS_READRES || response.type == WEFT_ACCESS_COMPS_READRES;
        c->responded += response.type != WEFT_ACCESS_GWRITE && response.type != WEFT_ACCESS_COMP;
        if (response.type == WEFT_ACCESS_GWRITE) {
            c->gwriting = false;
            c->remain_slack = 0;
        }
    }
}

/* ---- Refresh. ---- */

static void tick_refresh(weft_channel *c)
{
    if (c->clock == 0 || c->clock % c->rules->refresh_interval)
        return;
    if (c->refresh_count < (int)(sizeof c->refresh_waiting / sizeof c->refresh_waiting[0]))
        c->refresh_waiting[c->refresh_count++] = c->refresh_rank;
    c->refresh_rank = (c->refresh_rank + 1) % c->rules->ranks;
    c->acted = true;
}

/* The rank's first bank with a legal command towards the refresh; the refresh itself when all its banks are ready. *at: when
 * the earliest of them is legal. */
static weft_pick refresh_pick(const weft_channel *c, int64_t *at)
{
    int per = c->rules->banks_per_rank, first = c->refresh_waiting[0] * per;
    int64_t earliest = WEFT_NEVER, refresh = 0;
    for (int b = first; b < first + per; b++) {
        const weft_bank *bank = &c->bank[b];
        weft_dram_command command = bank->row >= 0       ? WEFT_DRAM_PRECHARGE
                                    : bank->pim_row >= 0 ? WEFT_DRAM_PIM_PRECHARGE
                                                         : WEFT_DRAM_REFRESH;
        int64_t stamp = weft_channel_stamp(c, b, command);
        if (command == WEFT_DRAM_REFRESH) {
            refresh = weft_latest(refresh, stamp);
            continue;
        }
        if (stamp <= c->clock) {
            *at = stamp;
            return (weft_pick){b, command, WEFT_NONE, -1, -1, false};
        }
        refresh = WEFT_NEVER;
        earliest = stamp < earliest ? stamp : earliest;
    }
    *at = earliest < refresh ? earliest : refresh;
    return refresh <= c->clock ? (weft_pick){first, WEFT_DRAM_REFRESH, WEFT_NONE, -1, -1, false} : WEFT_NO_PICK;
}

/* ---- From transactions to commands. ---- */

static bool has_room(const weft_channel *c, const weft_list_item *item)
{
    if (is_pim((weft_access_type)item->type))
        return c->pim_queue.count < (uint32_t)c->rules->command_queue;
    if (c->rules->kind == WEFT_MEMORY_SINGLE && c->pim_queue.count)
        return false;
    return c->bank[item->bank].count < (uint32_t)c->rules->command_queue;
}

static bool overtakes(const weft_channel *c, const weft_transaction *write, uint32_t pim)
{
    const weft_transaction *p = &c->pool[pim];
    return p->address == write->address && p->type != WEFT_ACCESS_P_HEADER && p->arrival < write->arrival;
}

/* A write may not overtake a read of its line, nor an older PIM command of its address. */
static bool write_may_move(weft_channel *c, const weft_transaction *t)
{
    uint32_t read = weft_channel_pending(c, t->address, WEFT_ACCESS_READ);
    if (read != WEFT_NONE) {
        if (c->pool[read].queued) {
            c->locked = true;
            c->locked_address = t->address;
        }
        return false;
    }
    const weft_list *pims = c->rules->kind == WEFT_MEMORY_SINGLE ? &c->reads : &c->pims;
    for (int i = 0; i < pims->count; i++)
        if (is_pim((weft_access_type)pims->item[i].type) && overtakes(c, t, pims->item[i].transaction))
            return false;
    for (uint32_t i = 0; i < c->pim_queue.count; i++)
        if (overtakes(c, t, *(uint32_t *)weft_ring_at(&c->pim_queue, i)))
            return false;
    return true;
}

static weft_list *choose_list(weft_channel *c)
{
    if (!c->locked && !c->draining && (c->writes.count >= c->rules->transaction_queue || (c->writes.count > 8 && !c->waiting)))
        c->draining = c->writes.count;
    if (c->locked)
        return &c->reads;
    if (!c->pims.count)
        return c->draining > 0 ? &c->writes : &c->reads;
    if (c->draining > 0 && c->pim_queue.count >= 2)
        return &c->writes;
    return c->pim_queue.count < 2 || !c->reads.count ? &c->pims : &c->reads;
}

static void schedule(weft_channel *c)
{
    weft_list *list = choose_list(c);
    for (int i = 0; i < list->count; i++) {
        if (!has_room(c, &list->item[i]))
            continue;
        uint32_t transaction = list->item[i].transaction;
        weft_transaction *t = &c->pool[transaction];
        if (t->type == WEFT_ACCESS_WRITE) {
            if (!write_may_move(c, t)) {
                c->draining = 0;
                c->acted = true;
                return;
            }
            c->draining--;
        } else if (c->locked && t->address == c->locked_address) {
            c->locked = false;
        }
        t->queued = false;
        if (is_pim((weft_access_type)t->type)) {
            uint32_t *slot = weft_ring_push(&c->pim_queue);
            if (slot)
                *slot = transaction;
            else
                c->status = WEFT_ERROR_MEMORY;
        } else {
            weft_banks_push(c, transaction);
        }
        memmove(list->item + i, list->item + i + 1, (size_t)(list->count - i - 1) * sizeof *list->item);
        list->count--;
        c->acted = true;
        return;
    }
    c->blocked = true;
}

/* ---- The tick. ---- */

void weft_channel_tick(weft_channel *c, int64_t clock)
{
    c->clock = clock;
    c->acted = c->blocked = false;
    take_returns(c);
    tick_refresh(c);
    weft_pick pick = WEFT_NO_PICK;
    if (c->refresh_count) {
        int64_t at;
        c->in_refresh = true;
        pick = refresh_pick(c, &at);
    }
    if (pick.bank < 0) {
        bool stop;
        pick = weft_pim_pick(c, &stop);
        bool single = c->rules->kind == WEFT_MEMORY_SINGLE && c->pim_mode;
        if (pick.bank < 0 && !stop && !(single && !c->skip_pim))
            pick = weft_banks_pick(c, single);
    }
    if (pick.bank >= 0)
        weft_channel_issue(c, &pick);
    if (c->reads.count + c->writes.count + c->pims.count > 0)
        schedule(c);
    if (c->pim_queue.count && c->pim_since < 0)
        c->pim_since = clock;
    if (!c->pim_queue.count && c->pim_since >= 0) {
        c->totals.pim_cycles += clock - c->pim_since;
        c->pim_since = -1;
    }
    c->clock = clock + 1;
    c->quiet = c->acted ? 0 : c->quiet + 1;
}

int64_t weft_channel_next(weft_channel *c)
{
    /* After something has happened two ticks are run in any case: what follows at once needs no foresight. */
    if (c->quiet < 2)
        return c->clock;
    if (c->reads.count + c->writes.count + c->pims.count > 0 && !c->blocked)
        return c->clock;
    int64_t interval = c->rules->refresh_interval, next = c->clock + (interval - c->clock % interval) % interval;
    for (int i = 0; i < WEFT_RETURN_CLASSES; i++) {
        const weft_return *head = weft_ring_head(&c->returns[i]);
        if (head && head->complete < next)
            next = head->complete;
    }
    if (c->refresh_count) {
        int64_t at;
        refresh_pick(c, &at);
        next = at < next ? at : next;
    }
    int64_t pim = weft_pim_next(c), banks = weft_banks_next(c);
    next = pim < next ? pim : next;
    next = banks < next ? banks : next;
    return weft_latest(next, c->clock);
}

void weft_channel_read_stage(weft_channel *c, int64_t clock, int64_t *pim_cycles, int64_t *responses)
{
    int64_t now = c->totals.pim_cycles + (c->pim_since >= 0 ? clock - c->pim_since : 0);
    *pim_cycles = now - c->pim_read;
    c->pim_read = now;
    *responses = c->responded;
    c->responded = 0;
}

void weft_channel_settle(weft_channel *c, int64_t clock)
{
    weft_dram_totals *d = &c->totals;
    if (c->pim_since >= 0) {
        d->pim_cycles += clock - c->pim_since;
        c->pim_since = clock;
    }
    for (int rank = 0; rank < c->rules->ranks; rank++) {
        if (c->open[rank]) {
            d->rank_active_cycles += clock - c->open_since[rank];
            c->open_since[rank] = clock;
        }
        if (c->pim_open[rank]) {
            d->pim_rank_active_cycles += clock - c->pim_open_since[rank];
            c->pim_open_since[rank] = clock;
        }
    }
    d->num_cycles = clock;
    d->rank_idle_cycles = clock * c->rules->ranks - d->rank_active_cycles;
    if (c->rules->kind == WEFT_MEMORY_DUAL)
        d->pim_rank_idle_cycles = clock * c->rules->ranks - d->pim_rank_active_cycles;
}

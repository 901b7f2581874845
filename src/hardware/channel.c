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
                        .free_last = WEFT_NONE,
                        .next_return = WEFT_NEVER,
                        .pim_since = -1,
                        .spent = {{.since = -1}, {.since = -1}},
                        .turn = r->banks - 1};
    uint32_t depth = 1;
    while (depth < (uint32_t)r->command_queue)
        depth *= 2;
    c->queue_mask = depth - 1;
    c->entries = malloc((size_t)r->banks * depth * sizeof *c->entries);
    c->bucket = malloc(WEFT_PENDING_BUCKETS * sizeof *c->bucket);
    size_t queue = (size_t)r->transaction_queue * sizeof(weft_list_item);
    c->reads.item = malloc(queue);
    c->writes.item = malloc(queue);
    c->pims.item = malloc(queue);
    weft_ring_init(&c->pim_queue, sizeof(uint16_t));
    weft_ring_init(&c->responses, sizeof(weft_response));
    for (int i = 0; i < WEFT_RETURN_CLASSES; i++)
        weft_ring_init(&c->returns[i], sizeof(weft_return));
    if (!c->entries || !c->bucket || !c->reads.item || !c->writes.item || !c->pims.item)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a memory channel");
    memset(c->bucket, 0xff, WEFT_PENDING_BUCKETS * sizeof *c->bucket);
    for (int b = 0; b < r->banks; b++)
        c->bank[b].row = c->bank[b].pim_row = -1;
    return WEFT_OK;
}

void weft_channel_close(weft_channel *c)
{
    free(c->why);
    free(c->entries);
    free(c->bucket);
    free(c->pool);
    free(c->arrival);
    free(c->reads.item);
    free(c->writes.item);
    free(c->pims.item);
    weft_ring_free(&c->pim_queue);
    weft_ring_free(&c->responses);
    for (int i = 0; i < WEFT_RETURN_CLASSES; i++)
        weft_ring_free(&c->returns[i]);
}

/* ---- Transactions by line. ---- */

/* Lines in flight follow each other, fewer of them than buckets: a stream's seldom meet. */
static uint16_t *bucket_of(const weft_channel *c, uint32_t line)
{
    return c->bucket[line % WEFT_PENDING_BUCKETS];
}

void weft_channel_expect(const weft_channel *c, uint32_t line)
{
    __builtin_prefetch(bucket_of(c, line), 1);
    if (c->free != WEFT_NONE)
        __builtin_prefetch(&c->pool[c->free], 1);
}

uint16_t weft_channel_pending(const weft_channel *c, uint32_t line, weft_access_type type)
{
    uint16_t t = bucket_of(c, line)[0];
    while (t != WEFT_NONE && (c->pool[t].line != line || c->pool[t].type != type || c->pool[t].state > WEFT_WAITING))
        t = c->pool[t].chain;
    return t;
}

static void link_up(weft_channel *c, uint16_t transaction)
{
    uint16_t *bucket = bucket_of(c, c->pool[transaction].line);
    if (bucket[1] != WEFT_NONE)
        c->pool[bucket[1]].chain = transaction;
    else
        bucket[0] = transaction;
    bucket[1] = transaction;
}

void weft_channel_forget(weft_channel *c, uint16_t transaction)
{
    uint16_t *bucket = bucket_of(c, c->pool[transaction].line), before = WEFT_NONE, at = bucket[0];
    while (at != transaction && at != WEFT_NONE) {
        before = at;
        at = c->pool[at].chain;
    }
    if (at == WEFT_NONE)
        return;
    *(before == WEFT_NONE ? &bucket[0] : &c->pool[before].chain) = c->pool[at].chain;
    if (bucket[1] == at)
        bucket[1] = before;
}

/* Free ones are taken in the order in which they became free: neighbours in time are neighbours in memory. */
void weft_channel_release(weft_channel *c, uint16_t transaction)
{
    c->pool[transaction].chain = WEFT_NONE;
    if (c->free_last != WEFT_NONE)
        c->pool[c->free_last].chain = transaction;
    else
        c->free = transaction;
    c->free_last = transaction;
}

static bool grow_pool(weft_channel *c)
{
    uint32_t size = c->pool_size ? 2 * c->pool_size : 256;
    size = size < WEFT_NONE ? size : WEFT_NONE;
    if (size == c->pool_size)
        return false;
    weft_transaction *pool = realloc(c->pool, size * sizeof *pool);
    if (pool)
        c->pool = pool;
    int64_t *arrival = realloc(c->arrival, size * sizeof *arrival);
    if (arrival)
        c->arrival = arrival;
    if (!pool || !arrival)
        return false;
    for (uint32_t i = c->pool_size; i < size; i++)
        weft_channel_release(c, (uint16_t)i);
    c->pool_size = size;
    return true;
}

static uint16_t new_transaction(weft_channel *c)
{
    if (c->free == WEFT_NONE && !grow_pool(c)) {
        c->status = WEFT_ERROR_MEMORY;
        return WEFT_NONE;
    }
    uint16_t t = c->free;
    c->free = c->pool[t].chain;
    if (c->free == WEFT_NONE)
        c->free_last = WEFT_NONE;
    return t;
}

/* The answer of a transaction goes to the oldest that asked for its line; those between move up. */
static weft_response answer(weft_channel *c, uint16_t transaction)
{
    weft_transaction *own = &c->pool[transaction];
    uint16_t at = bucket_of(c, own->line)[0];
    weft_transaction *to = NULL;
    weft_response response = {own->tag, own->asked};
    for (;; at = c->pool[at].chain) {
        weft_transaction *t = &c->pool[at];
        if (t->line != own->line || t->type == WEFT_ACCESS_WRITE)
            continue;
        if (to) {
            to->tag = t->tag;
            to->asked = t->asked;
        } else {
            response = (weft_response){t->tag, t->asked};
        }
        if (at == transaction)
            break;
        to = t;
    }
    weft_channel_forget(c, transaction);
    weft_channel_release(c, transaction);
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

static void promise(weft_channel *c, weft_return_class class, weft_return made)
{
    weft_return *r = weft_ring_push(&c->returns[class]);
    if (!r) {
        c->status = WEFT_ERROR_MEMORY;
        return;
    }
    made.sequence = c->return_sequence++;
    *r = made;
    if (made.complete < c->next_return)
        c->next_return = made.complete;
}

void weft_channel_return(weft_channel *c, weft_return_class class, int64_t complete, uint16_t transaction)
{
    weft_transaction *t = &c->pool[transaction];
    t->state = WEFT_ISSUED;
    promise(c, class, (weft_return){.complete = complete, .response = {0, t->type}, .transaction = transaction});
}

static void append(const weft_channel *c, weft_list *list, uint16_t transaction)
{
    const weft_transaction *t = &c->pool[transaction];
    list->item[list->count++] = (weft_list_item){t->line, transaction, (uint8_t)weft_bank_of(c, t->line), t->type};
}

/* Into the pool and its bucket; a header is not looked for. */
static uint16_t take_in(weft_channel *c, int64_t clock, weft_access_type type, uint32_t line, uint32_t tag)
{
    uint16_t t = new_transaction(c);
    if (t == WEFT_NONE)
        return t;
    c->pool[t] = (weft_transaction){line, tag, WEFT_NONE, WEFT_NONE, (uint8_t)type, (uint8_t)type, WEFT_QUEUED};
    if (type != WEFT_ACCESS_READ)
        c->arrival[t] = clock;
    if (type != WEFT_ACCESS_P_HEADER)
        link_up(c, t);
    return t;
}

static void add_read(weft_channel *c, int64_t clock, uint32_t line, uint32_t tag)
{
    uint16_t written = weft_channel_pending(c, line, WEFT_ACCESS_WRITE), first = weft_channel_pending(c, line, WEFT_ACCESS_READ);
    uint16_t t = take_in(c, clock, WEFT_ACCESS_READ, line, tag);
    if (t == WEFT_NONE)
        return;
    if (written != WEFT_NONE) { /* from the write buffer */
        weft_channel_return(c, WEFT_RETURN_AT_ONCE, clock + 1, t);
        return;
    }
    if (first == WEFT_NONE) {
        append(c, &c->reads, t);
        return;
    }
    while (c->pool[first].rider != WEFT_NONE)
        first = c->pool[first].rider;
    c->pool[first].rider = t;
    c->pool[t].state = WEFT_RIDING;
}

void weft_channel_add(weft_channel *c, int64_t clock, weft_access_type type, uint32_t line, uint32_t tag)
{
    c->clock = clock;
    c->acted = true;
    c->quiet = 0;
    c->reserved += type != WEFT_ACCESS_P_HEADER;
    if (type != WEFT_ACCESS_WRITE) /* a write waits from when it must be drained */
        weft_channel_wait(c, is_pim(type) ? WEFT_PIM_WORK : WEFT_PLAIN_WORK, clock);
    if (type == WEFT_ACCESS_READ) {
        add_read(c, clock, line, tag);
        return;
    }
    bool write = type == WEFT_ACCESS_WRITE;
    if (write) { /* posted: acknowledged at once */
        promise(c, WEFT_RETURN_AT_ONCE,
                (weft_return){.complete = clock + 1, .response = {tag, WEFT_ACCESS_WRITE}, .transaction = WEFT_NONE});
        if (weft_channel_pending(c, line, WEFT_ACCESS_WRITE) != WEFT_NONE)
            return;
    }
    uint16_t t = take_in(c, clock, type, line, tag);
    if (t != WEFT_NONE)
        append(c, write ? &c->writes : c->rules->kind == WEFT_MEMORY_DUAL ? &c->pims : &c->reads, t);
}

/* The completed return that was promised first; NULL: none. Sets next_return when there is none. */
static weft_ring *first_return(weft_channel *c)
{
    weft_ring *from = NULL;
    int64_t sequence = WEFT_NEVER, next = WEFT_NEVER;
    for (int i = 0; i < WEFT_RETURN_CLASSES; i++) {
        const weft_return *head = weft_ring_head(&c->returns[i]);
        if (!head)
            continue;
        if (head->complete > c->clock) {
            next = head->complete < next ? head->complete : next;
        } else if (head->sequence < sequence) {
            sequence = head->sequence;
            from = &c->returns[i];
        }
    }
    if (!from)
        c->next_return = next;
    return from;
}

static void take_returns(weft_channel *c)
{
    while (c->next_return <= c->clock) {
        weft_ring *from = first_return(c);
        if (!from)
            return;
        const weft_return *r = weft_ring_head(from);
        weft_response response = r->response;
        uint32_t type = response.type;
        if (r->transaction != WEFT_NONE)
            response = answer(c, r->transaction);
        weft_ring_pop(from);
        weft_response *slot = weft_ring_push(&c->responses);
        if (slot)
            *slot = response;
        else
            c->status = WEFT_ERROR_MEMORY;
        c->reserved--;
        c->acted = true;
        c->totals.num_reads_done += type == WEFT_ACCESS_READ;
        c->totals.num_writes_done += type == WEFT_ACCESS_WRITE;
        c->totals.num_readres_done += type == WEFT_ACCESS_READRES || type == WEFT_ACCESS_COMPS_READRES;
        c->responded += type != WEFT_ACCESS_GWRITE && type != WEFT_ACCESS_COMP;
        if (type == WEFT_ACCESS_GWRITE) {
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
            return weft_pick_of(b, command, -1);
        }
        refresh = WEFT_NEVER;
        earliest = stamp < earliest ? stamp : earliest;
    }
    *at = earliest < refresh ? earliest : refresh;
    return refresh <= c->clock ? weft_pick_of(first, WEFT_DRAM_REFRESH, -1) : WEFT_NO_PICK;
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

static bool overtakes(const weft_channel *c, uint16_t write, uint16_t pim)
{
    const weft_transaction *p = &c->pool[pim];
    return p->line == c->pool[write].line && p->type != WEFT_ACCESS_P_HEADER && c->arrival[pim] < c->arrival[write];
}

/* A write may not overtake a read of its line, nor an older PIM command of its line. */
static bool write_may_move(weft_channel *c, uint16_t write)
{
    uint32_t line = c->pool[write].line;
    uint16_t read = weft_channel_pending(c, line, WEFT_ACCESS_READ);
    if (read != WEFT_NONE) {
        if (c->pool[read].state == WEFT_QUEUED) {
            c->locked = true;
            c->locked_line = line;
        }
        return false;
    }
    const weft_list *pims = c->rules->kind == WEFT_MEMORY_SINGLE ? &c->reads : &c->pims;
    for (int i = 0; i < pims->count; i++)
        if (is_pim((weft_access_type)pims->item[i].type) && overtakes(c, write, pims->item[i].transaction))
            return false;
    for (uint32_t i = 0; i < c->pim_queue.count; i++)
        if (overtakes(c, write, *(uint16_t *)weft_ring_at(&c->pim_queue, i)))
            return false;
    return true;
}

static weft_list *choose_list(weft_channel *c)
{
    if (!c->locked && !c->draining && (c->writes.count >= c->rules->transaction_queue || (c->writes.count > 8 && !c->waiting)))
        c->draining = c->writes.count, weft_channel_wait(c, WEFT_PLAIN_WORK, c->clock);
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
        weft_list_item item = list->item[i];
        if (item.type == WEFT_ACCESS_WRITE) {
            if (!write_may_move(c, item.transaction)) {
                c->draining = 0;
                c->acted = true;
                return;
            }
            c->draining--;
        } else if (c->locked && item.line == c->locked_line) {
            c->locked = false;
        }
        c->pool[item.transaction].state = WEFT_WAITING;
        if (is_pim((weft_access_type)item.type)) {
            uint16_t *slot = weft_ring_push(&c->pim_queue);
            if (slot)
                *slot = item.transaction;
            else
                c->status = WEFT_ERROR_MEMORY;
        } else {
            weft_banks_push(c, item.transaction, item.line, item.type == WEFT_ACCESS_WRITE);
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
    next = c->next_return < next ? c->next_return : next;
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

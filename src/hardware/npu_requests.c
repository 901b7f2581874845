/* What the core sends to memory and what comes back: loads and stores cut into lines, and the entries that wait for them. */
#include "hardware/npu_core_inner.h"

void weft_core_reserve(weft_core *c, weft_buffer *b, uint32_t key, int64_t remain)
{
    if (!weft_buffer_reach(b, key)) {
        c->status = WEFT_ERROR_MEMORY;
        return;
    }
    b->entries[key].generation = b->generation;
    b->entries[key].remain = (int32_t)remain;
}

void weft_core_fill(weft_buffer *b, uint32_t key)
{
    if (weft_buffer_has(b, key) && b->entries[key].remain > 0)
        b->entries[key].remain--;
}

/* ---- Requests. ---- */

static void send_line(weft_core *c, uint64_t line, uint32_t tag, weft_access_type type, int lane)
{
    int bits = c->work->rules->channel_bits;
    weft_network_send(c->network, (int)(line & ((1u << bits) - 1)), lane,
                      (weft_burst){(uint32_t)(line >> bits), 1, tag, (uint8_t)type});
}

/* A range of lines: each channel's are one burst. */
static void send_range(weft_core *c, int64_t first, int64_t last, uint32_t tag, weft_access_type type, int lane)
{
    int bits = c->work->rules->channel_bits, channels = c->work->rules->channels;
    for (int64_t line = first; line <= last && line < first + channels; line++) {
        uint32_t count = (uint32_t)((last - line) / channels + 1);
        weft_network_send(c->network, (int)(line & (channels - 1)), lane,
                          (weft_burst){(uint32_t)(line >> bits), count, tag, (uint8_t)type});
    }
}

static bool send_hashed(weft_core *c, const weft_lines *lines, uint32_t tag, weft_access_type type, int lane)
{
    const weft_dram_rules *r = c->work->rules;
    if (lines->count > c->address_room) {
        uint64_t *grown = realloc(c->addresses, (size_t)lines->count * sizeof *grown);
        if (!grown)
            return false;
        c->addresses = grown;
        c->address_room = lines->count;
    }
    int64_t count = 0;
    uint64_t columns = (1u << r->column_bits) - 1, channels = (1u << r->channel_bits) - 1;
    for (int k = 0; k < 2; k++)
        for (int64_t i = lines->first[k]; i <= lines->last[k]; i++) {
            uint64_t line = (uint64_t)i, rest = line >> (r->column_bits + r->channel_bits);
            uint64_t column = line >> r->channel_bits & columns;
            c->addresses[count++] = ((rest << r->channel_bits | (line & channels)) << r->column_bits | column) << r->offset_bits;
        }
    if (!weft_line_set_fill(&c->line_set, c->addresses, count))
        return false;
    for (size_t i = 0; i < c->line_set.slots; i++)
        if (c->line_set.info[i]) {
            weft_dram_place p = weft_dram_place_of(r, c->line_set.keys[i]);
            uint64_t rest = (uint64_t)p.row << r->bank_bits | (uint64_t)p.bank;
            uint64_t line = (rest << r->column_bits | (uint64_t)p.column) << r->channel_bits | (uint64_t)p.channel;
            send_line(c, line, tag, type, lane);
        }
    return true;
}

int64_t weft_core_send_elements(weft_core *c, int64_t elements, uint32_t tag, weft_access_type type, int lane)
{
    weft_lines lines = weft_stream_take(&c->stream, elements);
    c->stats.elements += elements;
    bool load = type == WEFT_ACCESS_READ;
    c->stats.load_lines += load ? lines.count : 0;
    c->stats.store_lines += load ? 0 : lines.count;
    c->op_lines[lane][!load] += lines.count;
    if (c->order == WEFT_LINES_HASH) {
        if (!send_hashed(c, &lines, tag, type, lane))
            c->status = WEFT_ERROR_MEMORY;
        return lines.count;
    }
    send_range(c, lines.first[1], lines.last[1], tag, type, lane); /* after starting over: lower addresses */
    send_range(c, lines.first[0], lines.last[0], tag, type, lane);
    return lines.count;
}

int64_t weft_core_send_pieces(weft_core *c, const weft_instruction *in, uint32_t tag, int lane)
{
    weft_dram_place place = weft_dram_place_of(c->work->rules, in->address);
    uint32_t line = weft_dram_line(c->work->rules, place);
    int64_t count = (int64_t)in->lines * in->pieces;
    for (uint32_t i = 0; i < in->pieces; i++)
        weft_network_send(c->network, place.channel, lane,
                          (weft_burst){line + i * in->stride, in->lines, tag, WEFT_ACCESS_WRITE});
    c->stats.elements += in->size;
    c->stats.store_lines += count;
    c->op_lines[lane][1] += count;
    return count;
}

void weft_core_deliver(void *core, weft_response response)
{
    weft_core *c = core;
    weft_tile *tile = weft_core_tile(c, response.tag);
    const weft_instruction *in = weft_core_instruction(c, response.tag);
    c->poked = true;
    switch ((weft_access_type)response.type) {
    case WEFT_ACCESS_WRITE:
        tile->accumulator_io--;
        return;
    case WEFT_ACCESS_READ:
    case WEFT_ACCESS_READRES:
    case WEFT_ACCESS_COMPS_READRES:
        weft_core_fill(in->to_accumulator ? &c->accumulator[tile->accumulator] : &c->spad[tile->spad], in->key);
        break;
    default:
        break;
    }
    tile->loads--;
}

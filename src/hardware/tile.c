/* Instruction lists and scratchpad entries. */
#include "hardware/tile.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    weft_queue_kind queue;
} opcodes[WEFT_OPCODES] = {
    [WEFT_MOVIN] = {"MOVIN", WEFT_QUEUE_LOAD},
    [WEFT_MOVOUT] = {"MOVOUT", WEFT_QUEUE_STORE},
    [WEFT_GEMM] = {"GEMM", WEFT_QUEUE_EXECUTE},
    [WEFT_GEMM_PRELOAD] = {"GEMM_PRELOAD", WEFT_QUEUE_EXECUTE},
    [WEFT_GEMV_PRELOAD] = {"GEMV_PRELOAD", WEFT_QUEUE_EXECUTE},
    [WEFT_LAYERNORM] = {"LAYERNORM", WEFT_QUEUE_EXECUTE},
    [WEFT_SOFTMAX] = {"SOFTMAX", WEFT_QUEUE_EXECUTE},
    [WEFT_ADD] = {"ADD", WEFT_QUEUE_EXECUTE},
    [WEFT_GELU] = {"GELU", WEFT_QUEUE_EXECUTE},
    [WEFT_PIM_GWRITE] = {"PIM_GWRITE", WEFT_QUEUE_LOAD},
    [WEFT_PIM_HEADER] = {"PIM_HEADER", WEFT_QUEUE_LOAD},
    [WEFT_PIM_COMP] = {"PIM_COMP", WEFT_QUEUE_LOAD},
    [WEFT_PIM_READRES] = {"PIM_READRES", WEFT_QUEUE_LOAD},
    [WEFT_PIM_COMPS_READRES] = {"PIM_COMPS_READRES", WEFT_QUEUE_LOAD},
};

weft_queue_kind weft_opcode_queue(weft_opcode code)
{
    return opcodes[code].queue;
}

const char *weft_opcode_name(weft_opcode code)
{
    return opcodes[code].name;
}

weft_instruction *weft_tile_add(weft_tile *tile, weft_opcode code)
{
    static _Thread_local weft_instruction scratch;
    if (tile->count == tile->capacity) {
        uint32_t capacity = tile->capacity ? 2 * tile->capacity : 256;
        weft_instruction *grown = capacity < 1u << 29 ? realloc(tile->instructions, capacity * sizeof *grown) : NULL;
        if (!grown) {
            tile->failed = true;
            return &scratch;
        }
        tile->instructions = grown;
        tile->capacity = capacity;
    }
    weft_instruction *made = &tile->instructions[tile->count++];
    *made = (weft_instruction){.code = (uint8_t)code, .source = tile->source_count};
    return made;
}

void weft_tile_source(weft_tile *tile, weft_instruction *instruction, uint32_t key)
{
    if (tile->source_count == tile->source_capacity) {
        uint32_t capacity = tile->source_capacity ? 2 * tile->source_capacity : 256;
        uint32_t *grown = capacity < 1u << 30 ? realloc(tile->sources, capacity * sizeof *grown) : NULL;
        if (!grown) {
            tile->failed = true;
            return;
        }
        tile->sources = grown;
        tile->source_capacity = capacity;
    }
    tile->sources[tile->source_count++] = key;
    instruction->source_count++;
}

void weft_tile_clear(weft_tile *tile)
{
    *tile = (weft_tile){.instructions = tile->instructions,
                        .capacity = tile->capacity,
                        .sources = tile->sources,
                        .source_capacity = tile->source_capacity};
}

void weft_tile_free(weft_tile *tile)
{
    free(tile->instructions);
    free(tile->sources);
    *tile = (weft_tile){0};
}

bool weft_buffer_reach(weft_buffer *buffer, uint32_t key)
{
    if (key < buffer->count)
        return true;
    uint32_t count = buffer->count ? buffer->count : 256;
    while (count <= key && count < 1u << 31)
        count *= 2;
    weft_entry *grown = count > key ? realloc(buffer->entries, count * sizeof *grown) : NULL;
    if (!grown)
        return false;
    memset(grown + buffer->count, 0, (count - buffer->count) * sizeof *grown);
    buffer->entries = grown;
    buffer->count = count;
    buffer->generation += !buffer->generation; /* 0 marks entries never reserved */
    return true;
}

void weft_buffer_clear(weft_buffer *buffer)
{
    buffer->generation++;
}

void weft_buffer_free(weft_buffer *buffer)
{
    free(buffer->entries);
    *buffer = (weft_buffer){0};
}

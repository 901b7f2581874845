/* A Robin-Hood hash set whose slot order is the order in which the published simulator sends an instruction's lines: open
 * addressing with one information byte a slot (distance and five hash bits), growth at 80 %, a multiplier that changes when
 * distances overflow. Only what decides the order is here. */
#include "hardware/stream.h"

#include <stdlib.h>
#include <string.h>

#define MULTIPLIER      0xc4ceb9fe1a85ec53u
#define MULTIPLIER_STEP 0xc4ceb9fe1a85ec54u

static size_t limit(size_t slots)
{
    return slots * 80 / 100;
}

static bool start(weft_line_set *s, size_t slots)
{
    size_t over = limit(slots) < 255 ? limit(slots) : 255, all = slots + over;
    if (all > s->slots || slots != s->mask + 1) {
        uint64_t *keys = realloc(s->keys, (all + 1) * sizeof *keys);
        if (keys)
            s->keys = keys;
        uint8_t *info = realloc(s->info, all + 1);
        if (info)
            s->info = info;
        if (!keys || !info)
            return false;
    }
    s->slots = all;
    memset(s->info, 0, all + 1);
    s->mask = slots - 1;
    s->count = 0;
    s->most = limit(slots);
    s->increment = 32;
    s->shift = 0;
    return true;
}

static void slot_of(const weft_line_set *s, uint64_t key, size_t *index, uint32_t *info)
{
    uint64_t x = key;
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 33;
    x *= s->multiplier;
    x ^= x >> 33;
    *info = s->increment + (uint32_t)((x & 31) >> s->shift);
    *index = (size_t)(x >> 5) & s->mask;
}

static void place(weft_line_set *s, size_t index, uint32_t info, uint64_t key)
{
    size_t at = index;
    if (info + s->increment > 255)
        s->most = 0;
    while (s->info[index])
        index++;
    for (; index > at; index--) {
        s->keys[index] = s->keys[index - 1];
        s->info[index] = (uint8_t)(s->info[index - 1] + s->increment);
        if (s->info[index] + s->increment > 255)
            s->most = 0;
    }
    s->keys[at] = key;
    s->info[at] = (uint8_t)info;
    s->count++;
}

static bool widen(weft_line_set *s)
{
    if (s->increment <= 2 || s->count >= limit(s->mask + 1))
        return false;
    s->increment >>= 1;
    s->shift++;
    for (size_t i = 0; i < s->slots; i++)
        s->info[i] >>= 1;
    s->most = limit(s->mask + 1);
    return true;
}

static bool rehash(weft_line_set *s, size_t slots)
{
    weft_line_set old = *s;
    s->keys = NULL;
    s->info = NULL;
    s->slots = 0;
    bool made = start(s, slots);
    for (size_t i = 0; made && i < old.slots; i++) {
        if (!old.info[i])
            continue;
        if (s->most == 0 && !widen(s))
            made = false;
        size_t index;
        uint32_t info;
        slot_of(s, old.keys[i], &index, &info);
        while (info <= s->info[index]) {
            index++;
            info += s->increment;
        }
        place(s, index, info, old.keys[i]);
    }
    free(old.keys);
    free(old.info);
    return made;
}

static bool grow(weft_line_set *s)
{
    if (s->mask == 0)
        return start(s, 8);
    if (widen(s))
        return true;
    if (2 * s->count < limit(s->mask + 1)) {
        s->multiplier += MULTIPLIER_STEP;
        return rehash(s, s->mask + 1);
    }
    return rehash(s, 2 * (s->mask + 1));
}

static bool insert(weft_line_set *s, uint64_t key)
{
    for (;;) {
        size_t index;
        uint32_t info;
        if (s->mask) {
            slot_of(s, key, &index, &info);
            while (info < s->info[index]) {
                index++;
                info += s->increment;
            }
            for (; info == s->info[index]; index++, info += s->increment)
                if (s->keys[index] == key)
                    return true;
            if (s->count < s->most) {
                place(s, index, info, key);
                return true;
            }
        }
        if (!grow(s))
            return false;
    }
}

bool weft_line_set_fill(weft_line_set *s, const uint64_t *addresses, int64_t count)
{
    s->mask = s->count = s->most = 0;
    s->multiplier = MULTIPLIER;
    for (int64_t i = 0; i < count; i++)
        if (!insert(s, addresses[i]))
            return false;
    if (!s->mask) /* nothing put in */
        s->slots = 0;
    return true;
}

void weft_line_set_free(weft_line_set *s)
{
    free(s->keys);
    free(s->info);
    *s = (weft_line_set){0};
}

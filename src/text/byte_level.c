/* The byte-level alphabet of GPT-2. */
#include "text/normalizer.h"

static bool stands_for_itself(uint32_t byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

/* The 68 others, in ascending order: 0-32, 127-160, 173. */
uint32_t weft_byte_letter(uint8_t byte)
{
    if (stands_for_itself(byte))
        return byte;
    return 0x100u + (byte < 33 ? byte : byte < 161 ? byte - 127u + 33u : 67u);
}

int weft_byte_of_letter(uint32_t letter)
{
    if (letter < 256)
        return stands_for_itself(letter) ? (int)letter : -1;
    letter -= 0x100;
    return letter < 33 ? (int)letter : letter < 67 ? (int)letter + 127 - 33 : letter == 67 ? 173 : -1;
}

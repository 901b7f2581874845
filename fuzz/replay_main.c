/* Runs one fuzz target on the files given, without libFuzzer: to replay a corpus, or a file that crashed, with any compiler:
 *
 *     gcc -g -fsanitize=address,undefined -Iinclude -Isrc fuzz/fuzz_csv.c fuzz/replay_main.c build/libweft.a … -o replay_csv
 *     ./replay_csv fuzz/corpus/csv/x
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(arguments[i], "rb");
        uint8_t *data = NULL;
        size_t size = 0, room = 0, got = 0;
        do {
            size += got;
            if (size == room) {
                room = 2 * room + 4096;
                uint8_t *larger = realloc(data, room);
                if (!larger)
                    abort();
                data = larger;
            }
            got = file ? fread(data + size, 1, room - size, file) : 0;
        } while (got > 0);
        if (!file || ferror(file)) {
            perror(arguments[i]);
            return 1;
        }
        fclose(file);
        uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read behind the end */
        if (!exact)
            abort();
        memcpy(exact, data, size);
        free(data);
        printf("%s: %zu bytes\n", arguments[i], size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    return 0;
}

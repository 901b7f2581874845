/* safetensors: files of the reference implementation are read in place, ours are read back, broken ones refused by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/random.h"
#include "io/io.h"

/* A file: length, header, `data_size` bytes of 0, 1, 2, … . malloc'd to its exact size, so that a sanitizer sees its end. */
static unsigned char *make(const char *header, size_t data_size, size_t *size)
{
    size_t length = strlen(header);
    *size = 8 + length + data_size;
    unsigned char *file = calloc(1, *size);
    file[0] = (unsigned char)length;
    file[1] = (unsigned char)(length >> 8);
    file[2] = (unsigned char)(length >> 16);
    memcpy(file + 8, header, length);
    for (size_t i = 0; i < data_size; i++)
        file[8 + length + i] = (unsigned char)i;
    return file;
}

static weft_status parse(const char *header, size_t data_size, weft_arrays **out)
{
    size_t size;
    unsigned char *file = make(header, data_size, &size);
    weft_status status = weft_safetensors_parse(file, size, "model.safetensors", out);
    assert_true((status == WEFT_OK) == (*out != NULL));
    weft_arrays_free(*out);
    free(file);
    return status;
}

static void refused(const char *header, size_t data_size, weft_status status, const char *message)
{
    weft_arrays *arrays;
    assert_int_equal(parse(header, data_size, &arrays), status);
    if (!strstr(weft_error(), message))
        fail_msg("error is \"%s\", expected \"%s\"", weft_error(), message);
    assert_memory_equal(weft_error(), "model.safetensors: ", 19);
}

static void broken_headers_name_file_and_tensor(void **state)
{
    (void)state;
    const weft_status format = WEFT_ERROR_FORMAT, unsupported = WEFT_ERROR_UNSUPPORTED;
    refused("{\"K.weight\":{\"dtype\":\"F32\",\"shape\":[3,8],\"data_offsets\":[0,99]}}", 99, format,
            "model.safetensors: tensor \"K.weight\": data_offsets [0, 99] hold 99 bytes, F32 [3, 8] needs 96");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
            "offsets\":[4,8]}}",
            8, format, "\"a\" is there twice");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"I16\",\"shape\":[2],\"data_"
            "offsets\":[2,6]}}",
            6, format, "tensors \"a\" and \"b\" overlap at byte 2 of the data");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
            "offsets\":[0,4]}}",
            4, format, "overlap at byte 0");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
            "offsets\":[8,12]}}",
            12, format, "4 bytes before tensor \"b\" belong to no tensor");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, format,
            "the last 1 bytes belong to no tensor");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, format,
            "tensor \"a\": data_offsets [0, 8] pass the end of the data, 7 bytes");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, format, "end before they begin");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, format, "data_offsets are no integers");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,18446744073709551616]}}", 4, format,
            "data_offsets are no integers");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 8, format, "two \"data_offsets\"");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, format, "tensor \"a\": expected \"dtype\", \"shape\" and two");
    refused("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, format, "tensor \"a\"");
    refused("{\"a\":[]}", 4, format, "tensor \"a\"");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, format, "size 0 of its shape");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, format, "size 0 of its shape");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4, format,
            "shape [4294967296, 4294967296] has more elements than 63 bits can count");
    refused("{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693953],\"data_offsets\":[0,8]}}", 8, format, "63 bits");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, unsupported, "9 sizes");
    refused("{\"a\":{\"dtype\":\"X9\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, format, "tensor \"a\": unknown dtype \"X9\"");
    refused("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, unsupported,
            "tensor \"a\": dtype F8_E4M3 is not supported");
    refused("{\"a\":{\"dtype\":\"U16\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, format, "U16 [4] needs 8");
    refused("{\"__metadata__\":{\"a\":1}}", 0, format, "\"__metadata__\" key \"a\" is no text");
    refused("{\"__metadata__\":[]}", 0, format, "\"__metadata__\" is no object");
    refused("{\"\xFF\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, format, "unable to decode byte 0xff");
    refused("{\"a\":", 0, format, "line 1");
    refused("[]", 0, format, "does not begin with '{'");
    refused("", 0, format, "does not begin");
    refused("{\"a\x07"
            "b\\u0007\":{}}",
            0, format, "line 1");
    refused("{\"a\\u0007\":{}}", 0, format, "tensor \"a?\"");
    char deep[4096] = "{\"a\":";
    memset(deep + 5, '[', 4000);
    refused(deep, 0, format, "nested");
}

static void broken_lengths_are_refused(void **state)
{
    (void)state;
    weft_arrays *arrays;
    static const unsigned char large[24] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, '{', '}'};
    assert_int_equal(weft_safetensors_parse(large, sizeof large, "f", &arrays), WEFT_ERROR_FORMAT);
    assert_string_equal(weft_error(),
                        "f: its header says 18446744073709551615 bytes, but only 16 follow: truncated, or no safetensors file");
    for (size_t size = 0; size < 10; size++)
        assert_int_equal(weft_safetensors_parse(large, size, "f", &arrays), WEFT_ERROR_FORMAT);
    size_t size = 8 + 100000001;
    unsigned char *file = calloc(1, size);
    assert_non_null(file);
    memcpy(file, (unsigned char[]){0x01, 0xE1, 0xF5, 0x05}, 4); /* 100,000,001 */
    assert_int_equal(weft_safetensors_parse(file, size, "f", &arrays), WEFT_ERROR_FORMAT);
    assert_non_null(strstr(weft_error(), "at most 100000000"));
    free(file);
}

static void well_formed_is_used_in_place(void **state)
{
    (void)state;
    size_t size;
    /* 8 + 160 bytes: data begins aligned; scalars, empty tensors and space padding are legal */
    const char *header = "{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[4,7]},\"e\":{\"dtype\":\"F64\",\"shape\":[0,5]"
                         ",\"data_offsets\":[4,4]},"
                         "\"a\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]}}      ";
    unsigned char *file = make(header, 7, &size);
    weft_arrays *arrays;
    weft_tensor tensor;
    assert_int_equal(weft_safetensors_parse(file, size, "f", &arrays), WEFT_OK);
    assert_int_equal(weft_arrays_count(arrays), 3);
    assert_string_equal(weft_arrays_at(arrays, 0).name, "b"); /* the file's order */
    assert_true(weft_arrays_find(arrays, "a", &tensor));
    assert_int_equal(tensor.dtype, WEFT_I32);
    assert_int_equal(tensor.dims.rank, 0);
    assert_int_equal((uintptr_t)tensor.data % 4, 0);
    assert_memory_equal(tensor.data, "\0\1\2\3", 4);
    assert_true(weft_arrays_find(arrays, "b", &tensor));
    assert_ptr_equal(tensor.data, file + size - 3);
    assert_true(weft_arrays_find(arrays, "e", &tensor));
    assert_int_equal(weft_tensor_bytes(tensor), 0);
    assert_false(weft_arrays_find(arrays, "c", &tensor));
    weft_arrays_free(arrays);
    free(file);
}

static void misaligned_data_is_copied(void **state)
{
    (void)state;
    for (int pad = 0; pad < 9; pad++) {
        char header[128];
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}%*s", pad, "");
        size_t size;
        unsigned char *file = make(header, 8, &size);
        weft_arrays *arrays;
        weft_tensor tensor;
        assert_int_equal(weft_safetensors_parse(file, size, "f", &arrays), WEFT_OK);
        assert_true(weft_arrays_find(arrays, "a", &tensor));
        assert_int_equal((uintptr_t)tensor.data % 8, 0);
        assert_memory_equal(tensor.data, "\0\1\2\3\4\5\6\7", 8);
        weft_arrays_free(arrays);
        free(file);
    }
}

/* tests/golden/io/mixed.safetensors: written by the Python package; see make_io.py there. */
static void reads_the_reference_implementations_file(void **state)
{
    (void)state;
    weft_arrays *arrays;
    weft_tensor tensor;
    if (weft_safetensors_open(WEFT_SOURCE_DIR "/tests/golden/io/mixed.safetensors", &arrays) != WEFT_OK)
        fail_msg("%s", weft_error());
    assert_string_equal(weft_arrays_metadata(arrays, "format"), "np");
    assert_null(weft_arrays_metadata(arrays, "absent"));
    static const struct {
        const char *name;
        weft_dtype dtype;
    } types[] = {{"f64", WEFT_F64}, {"f32", WEFT_F32}, {"f16", WEFT_F16}, {"i64", WEFT_I64},  {"i32", WEFT_I32},
                 {"i16", WEFT_I16}, {"i8", WEFT_I8},   {"u8", WEFT_U8},   {"bool", WEFT_BOOL}};
    assert_int_equal(weft_arrays_count(arrays), 11);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_true(weft_arrays_find(arrays, types[i].name, &tensor));
        assert_int_equal(tensor.dtype, types[i].dtype);
        assert_true(weft_dims_equal(tensor.dims, DIMS(2, 3)));
        assert_int_equal((uintptr_t)tensor.data % weft_dtype_size(tensor.dtype), 0);
    }
    assert_true(weft_arrays_find(arrays, "f64", &tensor));
    for (int i = 0; i < 6; i++)
        assert_true(((double *)tensor.data)[i] == i - 2.5);
    assert_true(weft_arrays_find(arrays, "f32", &tensor));
    for (int i = 0; i < 6; i++)
        assert_true(((float *)tensor.data)[i] == (float)i - 2.5f);
    assert_true(weft_arrays_find(arrays, "i64", &tensor));
    for (int i = 0; i < 6; i++)
        assert_int_equal(((int64_t *)tensor.data)[i], (int64_t)(i - 2) * ((int64_t)1 << 40));
    assert_true(weft_arrays_find(arrays, "i16", &tensor));
    for (int i = 0; i < 6; i++)
        assert_int_equal(((int16_t *)tensor.data)[i], (i - 2) * 1000);
    assert_true(weft_arrays_find(arrays, "bool", &tensor));
    assert_memory_equal(tensor.data, "\1\0\1\0\1\0", 6);
    assert_true(weft_arrays_find(arrays, "scalar", &tensor));
    assert_int_equal(tensor.dims.rank, 0);
    assert_true(*(float *)tensor.data == 7.25f);
    assert_true(weft_arrays_find(arrays, "empty.\xC3\xA9", &tensor));
    assert_true(weft_dims_equal(tensor.dims, DIMS(0, 4)));
    weft_arrays_free(arrays);
}

static void what_is_saved_reads_back(void **state)
{
    (void)state;
    char path[] = "/tmp/weft-safetensors-XXXXXX";
    close(mkstemp(path));
    weft_random_key key = weft_random_stream(3, "safetensors");
    for (uint64_t round = 0; round < 60; round++) {
        weft_arrays *arrays, *back;
        assert_int_equal(weft_arrays_new(&arrays), WEFT_OK);
        uint64_t count = round == 59 ? 3000 : weft_random_below(key, round, 0, 0, 12);
        for (uint64_t i = 0; i < count; i++) {
            weft_tensor tensor = {NULL, (weft_dtype)weft_random_below(key, round, i + 1, 0, WEFT_DTYPE_COUNT), {0}};
            tensor.dims.rank = (int)weft_random_below(key, round, i + 1, 1, 4);
            for (int d = 0; d < tensor.dims.rank; d++)
                tensor.dims.size[d] = (int64_t)weft_random_below(key, round, i + 1, 2 + (uint64_t)d, 6);
            unsigned char data[8 * 125];
            for (size_t b = 0; b < sizeof data; b++)
                data[b] = (unsigned char)weft_random_word(key, round, i + 1000000, b);
            tensor.data = data;
            char name[64];
            snprintf(name, sizeof name, "layer.%llu.\"\xE2\x82\xAC\\\n", (unsigned long long)((i * 7919) % 10007));
            assert_int_equal(weft_arrays_add_copy(arrays, name, tensor), WEFT_OK);
            assert_int_equal(weft_arrays_add_copy(arrays, name, tensor), WEFT_ERROR_ARGUMENT);
        }
        if (round & 1) {
            assert_int_equal(weft_arrays_set_metadata(arrays, "seed", "1"), WEFT_OK);
            assert_int_equal(weft_arrays_set_metadata(arrays, "note", "\"x\"\n"), WEFT_OK);
            assert_int_equal(weft_arrays_set_metadata(arrays, "seed", "2"), WEFT_OK);
        }
        assert_int_equal(weft_safetensors_save(arrays, path), WEFT_OK);
        if (weft_safetensors_open(path, &back) != WEFT_OK)
            fail_msg("%s", weft_error());
        assert_int_equal(weft_arrays_count(back), count);
        for (uint64_t i = 0; i < count; i++) {
            weft_array a = weft_arrays_at(arrays, (int64_t)i);
            weft_tensor b;
            assert_true(weft_arrays_find(back, a.name, &b));
            assert_int_equal(a.tensor.dtype, b.dtype);
            assert_true(weft_dims_equal(a.tensor.dims, b.dims));
            assert_int_equal((uintptr_t)b.data % weft_dtype_size(b.dtype), 0);
            if (weft_tensor_bytes(b))
                assert_memory_equal(a.tensor.data, b.data, weft_tensor_bytes(b));
        }
        assert_int_equal(weft_arrays_metadata_count(back), round & 1 ? 2 : 0);
        if (round & 1) {
            assert_string_equal(weft_arrays_metadata(back, "seed"), "2");
            assert_string_equal(weft_arrays_metadata(back, "note"), "\"x\"\n");
        }
        weft_arrays_free(back);
        weft_arrays_free(arrays);
    }
    weft_arrays *arrays;
    float x = 0;
    assert_int_equal(weft_arrays_new(&arrays), WEFT_OK);
    assert_int_equal(weft_arrays_add(arrays, "bad\xFF", (weft_tensor){&x, WEFT_F32, SCALAR}), WEFT_OK);
    assert_int_equal(weft_safetensors_save(arrays, path), WEFT_ERROR_ARGUMENT);
    weft_arrays_free(arrays);
    unlink(path);
}

/* Every truncation fails; a flipped byte fails or gives tensors that lie inside the file, to the last byte. */
static void damaged_files_are_safe(void **state)
{
    (void)state;
    weft_map map;
    weft_arrays *arrays;
    assert_int_equal(weft_map_open(WEFT_SOURCE_DIR "/tests/golden/io/mixed.safetensors", &map), WEFT_OK);
    for (size_t size = 0; size < map.size; size++) {
        unsigned char *file = malloc(size ? size : 1);
        memcpy(file, map.data, size);
        assert_int_equal(weft_safetensors_parse(file, size, "f", &arrays), WEFT_ERROR_FORMAT);
        free(file);
    }
    weft_random_key key = weft_random_stream(4, "damage");
    int survived = 0;
    for (uint64_t round = 0; round < 4000; round++) {
        unsigned char *file = malloc(map.size);
        memcpy(file, map.data, map.size);
        for (uint64_t i = 0; i <= round % 3; i++)
            file[weft_random_below(key, round, i, 0, map.size)] = (unsigned char)weft_random_word(key, round, i, 7);
        if (weft_safetensors_parse(file, map.size, "f", &arrays) == WEFT_OK) {
            survived++;
            unsigned sum = 0;
            for (int64_t i = 0; i < weft_arrays_count(arrays); i++) {
                weft_tensor tensor = weft_arrays_at(arrays, i).tensor;
                for (size_t b = 0; b < weft_tensor_bytes(tensor); b++)
                    sum += ((unsigned char *)tensor.data)[b];
            }
            assert_true(sum < 1u << 30);
            weft_arrays_free(arrays);
        }
        free(file);
    }
    assert_in_range(survived, 100, 3900);
    weft_map_close(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_headers_name_file_and_tensor),
        cmocka_unit_test(broken_lengths_are_refused),
        cmocka_unit_test(well_formed_is_used_in_place),
        cmocka_unit_test(misaligned_data_is_copied),
        cmocka_unit_test(reads_the_reference_implementations_file),
        cmocka_unit_test(what_is_saved_reads_back),
        cmocka_unit_test(damaged_files_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

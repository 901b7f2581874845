/* NPY and NPZ: NumPy's own files are read, ours read back, hostile ones refused before anything large is allocated. */
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

#define GOLDEN WEFT_SOURCE_DIR "/tests/golden/io/"

static weft_tensor open_npy(const char *file, weft_arrays **arrays)
{
    char path[512];
    snprintf(path, sizeof path, GOLDEN "%s", file);
    if (weft_npy_open(path, arrays) != WEFT_OK)
        fail_msg("%s", weft_error());
    assert_int_equal(weft_arrays_count(*arrays), 1);
    assert_string_equal(weft_arrays_at(*arrays, 0).name, "array");
    return weft_arrays_at(*arrays, 0).tensor;
}

/* The files of this test are written by tests/golden/io/make_io.py. */
static void numpys_files_are_read(void **state)
{
    (void)state;
    weft_arrays *arrays;
    const char *const plain[] = {"c_order.npy", "version2.npy", "version3.npy"};
    weft_tensor tensor;
    for (int f = 0; f < 3; f++) {
        tensor = open_npy(plain[f], &arrays);
        assert_int_equal(tensor.dtype, WEFT_F64);
        assert_true(weft_dims_equal(tensor.dims, DIMS(2, 3)));
        for (int i = 0; i < 6; i++)
            assert_true(((double *)tensor.data)[i] == i - 2.5);
        weft_arrays_free(arrays);
    }
    tensor = open_npy("f_order.npy", &arrays);
    assert_true(weft_dims_equal(tensor.dims, DIMS(2, 3, 4)));
    for (int i = 0; i < 24; i++)
        assert_int_equal(((int32_t *)tensor.data)[i], i);
    weft_arrays_free(arrays);
    tensor = open_npy("big_endian.npy", &arrays);
    assert_int_equal(tensor.dtype, WEFT_F32);
    for (int i = 0; i < 5; i++)
        assert_true(((float *)tensor.data)[i] == 0.5f * (float)i);
    weft_arrays_free(arrays);
    tensor = open_npy("u16.npy", &arrays);
    assert_int_equal(tensor.dtype, WEFT_I32);
    assert_int_equal(((int32_t *)tensor.data)[2], 65535);
    weft_arrays_free(arrays);
    tensor = open_npy("u64.npy", &arrays);
    assert_int_equal(tensor.dtype, WEFT_I64);
    assert_int_equal(((int64_t *)tensor.data)[2], INT64_MAX);
    weft_arrays_free(arrays);
}

static void other_types_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const files[][2] = {{"text.npy", "'<U2' (text)"},
                                           {"complex.npy", "'<c16' (complex)"},
                                           {"object.npy", "'|O' (Python objects)"},
                                           {"record.npy", "records"},
                                           {"u64_large.npy", "element 1"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[512];
        weft_arrays *arrays;
        snprintf(path, sizeof path, GOLDEN "%s", files[i][0]);
        assert_int_equal(weft_npy_open(path, &arrays), WEFT_ERROR_UNSUPPORTED);
        assert_null(arrays);
        if (!strstr(weft_error(), files[i][1]) || !strstr(weft_error(), files[i][0]))
            fail_msg("error is \"%s\", expected \"%s\" in it", weft_error(), files[i][1]);
    }
}

/* A version 1.0 file with this header text and `data` bytes. */
static weft_status parse(const char *header, size_t data)
{
    size_t length = strlen(header), size = 10 + length + data;
    unsigned char *file = calloc(1, size);
    memcpy(file, "\x93NUMPY\1", 7);
    file[8] = (unsigned char)length;
    file[9] = (unsigned char)(length >> 8);
    memcpy(file + 10, header, length);
    weft_arrays *arrays;
    weft_status status = weft_npy_parse(file, size, "a.npy", &arrays);
    assert_true((status == WEFT_OK) == (arrays != NULL));
    weft_arrays_free(arrays);
    free(file);
    return status;
}

static void headers_are_parsed_strictly(void **state)
{
    (void)state;
    static const char *const good[] = {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                                       "{\"shape\":(2,),\"descr\":\"<f4\",\"fortran_order\":True}",
                                       "  {'descr': '=f4', 'fortran_order': False, 'shape': (1, 2)}  \n",
                                       "{'descr': '<f8', 'fortran_order': False, 'shape': ()}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(parse(good[i], 8), WEFT_OK);
    static const char *const broken[] = {"",
                                         "{",
                                         "{}",
                                         "{'descr': '<f4', 'fortran_order': False}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': 2}",
                                         "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
                                         "{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}",
                                         "{'descr': '<f4, 'fortran_order': False, 'shape': (2,)}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
                                         "[1]",
                                         "{'descr': '<f4', 'fortran_order': False, 'shape': (2L,)}",
                                         "{'descr': __import__('os'), 'fortran_order': False, 'shape': (2,)}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        if (parse(broken[i], 8) != WEFT_ERROR_FORMAT || strncmp(weft_error(), "a.npy: ", 7) != 0)
            fail_msg("%s: \"%s\"", broken[i], weft_error());
    assert_int_equal(parse("{'descr': '|f4', 'fortran_order': False, 'shape': (2,)}", 8), WEFT_ERROR_UNSUPPORTED);
    assert_int_equal(parse("{'descr': '', 'fortran_order': False, 'shape': (2,)}", 8), WEFT_ERROR_UNSUPPORTED);
    assert_int_equal(parse("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", 8), WEFT_ERROR_UNSUPPORTED);
    weft_arrays *arrays;
    assert_int_equal(weft_npy_parse("\x93NUMPY\2\0\xFF\xFF\xFF\xFF{}", 14, "a.npy", &arrays), WEFT_ERROR_UNSUPPORTED);
    assert_int_equal(weft_npy_parse("\x93NUMPY\4\0\1\0{}", 12, "a.npy", &arrays), WEFT_ERROR_UNSUPPORTED);
    assert_int_equal(weft_npy_parse("\x93NUMPY\1\0\7\0{}", 12, "a.npy", &arrays), WEFT_ERROR_FORMAT);
    for (size_t size = 0; size < 12; size++)
        assert_int_equal(weft_npy_parse("\x93NUMPY\1\0\2\0{}", size, "a.npy", &arrays), WEFT_ERROR_FORMAT);
}

static void npz_members_equal_the_safetensors_file(void **state)
{
    (void)state;
    weft_arrays *truth, *arrays;
    weft_tensor a, b;
    assert_int_equal(weft_safetensors_open(GOLDEN "mixed.safetensors", &truth), WEFT_OK);
    for (int deflated = 0; deflated < 2; deflated++) {
        if (weft_npz_open(deflated ? GOLDEN "deflated.npz" : GOLDEN "stored.npz", &arrays) != WEFT_OK)
            fail_msg("%s", weft_error());
        assert_int_equal(weft_arrays_count(arrays), 11 + deflated);
        for (int64_t i = 0; i < weft_arrays_count(truth); i++) {
            weft_array array = weft_arrays_at(truth, i);
            assert_true(weft_arrays_find(arrays, array.name, &a));
            assert_int_equal(a.dtype, array.tensor.dtype);
            assert_true(weft_dims_equal(a.dims, array.tensor.dims));
            assert_int_equal((uintptr_t)a.data % weft_dtype_size(a.dtype), 0);
            if (weft_tensor_bytes(a))
                assert_memory_equal(a.data, array.tensor.data, weft_tensor_bytes(a));
        }
        assert_int_equal(weft_arrays_find(arrays, "zeros", &b), deflated);
        if (deflated)
            for (int i = 0; i < 10000; i++)
                assert_true(((double *)b.data)[i] == 0);
        weft_arrays_free(arrays);
    }
    weft_arrays_free(truth);
}

static void what_is_saved_reads_back(void **state)
{
    (void)state;
    char path[] = "/tmp/weft-npz-XXXXXX";
    close(mkstemp(path));
    weft_random_key key = weft_random_stream(5, "npz");
    for (uint64_t round = 0; round < 40; round++) {
        weft_arrays *arrays, *back;
        assert_int_equal(weft_arrays_new(&arrays), WEFT_OK);
        uint64_t count = weft_random_below(key, round, 0, 0, 9);
        for (uint64_t i = 0; i < count; i++) {
            weft_tensor tensor = {NULL, (weft_dtype)weft_random_below(key, round, i + 1, 0, WEFT_DTYPE_COUNT), {0}};
            if (tensor.dtype == WEFT_BF16)
                tensor.dtype = WEFT_F16;
            tensor.dims.rank = (int)weft_random_below(key, round, i + 1, 1, 4);
            for (int d = 0; d < tensor.dims.rank; d++)
                tensor.dims.size[d] = (int64_t)weft_random_below(key, round, i + 1, 2 + (uint64_t)d, 6);
            unsigned char data[8 * 125];
            for (size_t b = 0; b < sizeof data; b++)
                data[b] = (unsigned char)weft_random_word(key, round, i + 1000000, b);
            tensor.data = data;
            char name[64];
            snprintf(name, sizeof name, "layer.%llu/\xE2\x82\xAC", (unsigned long long)i);
            assert_int_equal(weft_arrays_add_copy(arrays, name, tensor), WEFT_OK);
            assert_int_equal(weft_npy_save(tensor, path), WEFT_OK);
            if (weft_npy_open(path, &back) != WEFT_OK)
                fail_msg("%s", weft_error());
            weft_tensor again = weft_arrays_at(back, 0).tensor;
            assert_true(again.dtype == tensor.dtype && weft_dims_equal(again.dims, tensor.dims));
            assert_int_equal((uintptr_t)again.data % 64, 0); /* in the mapped file */
            if (weft_tensor_bytes(again))
                assert_memory_equal(again.data, data, weft_tensor_bytes(again));
            weft_arrays_free(back);
        }
        assert_int_equal(weft_npz_save(arrays, path), WEFT_OK);
        if (weft_npz_open(path, &back) != WEFT_OK)
            fail_msg("%s", weft_error());
        assert_int_equal(weft_arrays_count(back), count);
        for (uint64_t i = 0; i < count; i++) {
            weft_array a = weft_arrays_at(arrays, (int64_t)i), b = weft_arrays_at(back, (int64_t)i);
            assert_string_equal(a.name, b.name);
            assert_true(a.tensor.dtype == b.tensor.dtype && weft_dims_equal(a.tensor.dims, b.tensor.dims));
            if (weft_tensor_bytes(a.tensor))
                assert_memory_equal(a.tensor.data, b.tensor.data, weft_tensor_bytes(a.tensor));
        }
        weft_arrays_free(back);
        weft_arrays_free(arrays);
    }
    uint16_t x = 0;
    assert_int_equal(weft_npy_save((weft_tensor){&x, WEFT_BF16, SCALAR}, path), WEFT_ERROR_UNSUPPORTED);
    unlink(path);
}

static uint32_t at32(const unsigned char *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void refused(unsigned char *file, size_t size, const char *message)
{
    weft_arrays *arrays;
    assert_int_not_equal(weft_npz_parse(file, size, "a.npz", &arrays), WEFT_OK);
    assert_null(arrays);
    if (!strstr(weft_error(), message) || strncmp(weft_error(), "a.npz: ", 7) != 0)
        fail_msg("error is \"%s\", expected \"%s\" in it", weft_error(), message);
}

/* One field of a good archive after another is made to lie. */
static void lying_archives_are_refused(void **state)
{
    (void)state;
    weft_map map;
    assert_int_equal(weft_map_open(GOLDEN "deflated.npz", &map), WEFT_OK);
    const unsigned char *good = map.data;
    size_t size = map.size, end = size - 22, directory = at32(good + end + 16);
    unsigned char *file = malloc(size);
#define LIE(at, bytes, message) \
    do { \
        memcpy(file, good, size); \
        memcpy(file + (at), bytes, sizeof bytes - 1); \
        refused(file, size, message); \
    } while (0)
    LIE(end, "XX", "no end of a ZIP directory");
    LIE(end + 4, "\1\0", "split");
    LIE(end + 8, "\0\1\0\1", "passes its end");
    LIE(end + 12, "\xFF\xFF\xFF\x7F", "passes its end");
    LIE(end + 16, "\xFF\xFF\xFF\x7F", "passes its end");
    LIE(end + 16, "\0\0\0\0", "directory is broken");
    LIE(directory + 8, "\1\0", "is encrypted");
    LIE(directory + 10, "\x0C\0", "compression method 12");
    LIE(directory + 16, "\0\0\0\0", "checksum differs");
    LIE(directory + 20, "\xFF\xFF\xFF\x0F", "passes the end of the file");
    LIE(directory + 24, "\xFF\xFF\xFF\x7F", "claims 2147483647 bytes");
    LIE(directory + 24, "\xAA\0\0\0", "holds 42 bytes");
    LIE(directory + 24, "\xFF\xFF\xFF\xFF", "ZIP64 sizes are missing");
    LIE(directory + 28, "\xFF\xFF", "directory is broken");
    LIE(directory + 42, "\1\0\0\0", "not where the directory says");
    LIE(directory + 46, "\xFF", "no UTF-8");
    LIE(directory + 46, "/64", "expected a plain name");
    LIE(directory + 46, "..\\", "expected a plain name");
    LIE(directory + 50, "npz", "expected a plain name");
    size_t local = 30 + good[26] + good[28];
    LIE(local, "\xFF\xFF\xFF", "compressed data is broken");
    /* two entries for the same bytes */
    size_t second = directory + 46 + good[directory + 28] + good[directory + 30];
    memcpy(file, good, size);
    memcpy(file + second + 16, good + directory + 16, 12);
    memcpy(file + second + 42, good + directory + 42, 4);
    refused(file, size, "overlap");
    free(file);
    weft_map_close(&map);
}

static void damaged_files_are_safe(void **state)
{
    (void)state;
    static const char *const files[] = {"stored.npz", "deflated.npz", "f_order.npy", "c_order.npy"};
    weft_random_key key = weft_random_stream(6, "damage");
    for (uint64_t f = 0; f < 4; f++) {
        char path[512];
        snprintf(path, sizeof path, GOLDEN "%s", files[f]);
        weft_map map;
        weft_arrays *arrays;
        assert_int_equal(weft_map_open(path, &map), WEFT_OK);
        weft_status (*read)(const void *, size_t, const char *, weft_arrays **) = f < 2 ? weft_npz_parse : weft_npy_parse;
        for (uint64_t round = 0; round < map.size + 1000; round++) {
            size_t size = round < map.size ? round : map.size;
            unsigned char *file = malloc(size ? size : 1);
            memcpy(file, map.data, size);
            for (uint64_t i = 0; i <= round % 3 && round >= map.size; i++)
                file[weft_random_below(key, f << 32 | round, i, 0, size)] = (unsigned char)weft_random_word(key, round, i, 7);
            weft_status status = read(file, size, "f", &arrays);
            assert_true((status == WEFT_OK) == (arrays != NULL));
            assert_true(status != WEFT_OK || size == map.size);
            unsigned sum = 0;
            for (int64_t i = 0; arrays && i < weft_arrays_count(arrays); i++) {
                weft_tensor tensor = weft_arrays_at(arrays, i).tensor;
                for (size_t b = 0; b < weft_tensor_bytes(tensor); b++)
                    sum += ((unsigned char *)tensor.data)[b];
            }
            assert_true(sum < 1u << 31);
            weft_arrays_free(arrays);
            free(file);
        }
        weft_map_close(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numpys_files_are_read),       cmocka_unit_test(other_types_are_refused_by_name),
        cmocka_unit_test(headers_are_parsed_strictly), cmocka_unit_test(npz_members_equal_the_safetensors_file),
        cmocka_unit_test(what_is_saved_reads_back),    cmocka_unit_test(lying_archives_are_refused),
        cmocka_unit_test(damaged_files_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

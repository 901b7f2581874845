/* Files: limits, refusals by name, and writes that leave the old file or the new one, never a part, whatever fails. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/weft-files-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char paths[4][4096];
    static int turn;
    char *path = paths[turn++ & 3];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int entries(const char *path)
{
    int count = 0;
    DIR *listing = opendir(path);
    assert_non_null(listing);
    for (struct dirent *entry; (entry = readdir(listing));)
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(listing);
    return count;
}

static void assert_content(const char *path, const char *expected)
{
    char *data;
    size_t size;
    assert_int_equal(weft_file_read(path, 1 << 20, &data, &size), WEFT_OK);
    assert_int_equal(size, strlen(expected));
    assert_string_equal(data, expected);
    free(data);
}

static void assert_error_says(const char *a, const char *b)
{
    if (!strstr(weft_error(), a) || !strstr(weft_error(), b))
        fail_msg("error is \"%s\", expected \"%s\" and \"%s\" in it", weft_error(), a, b);
}

static void reads_what_was_written(void **state)
{
    (void)state;
    const char *path = in_folder("plain");
    assert_int_equal(weft_file_write(path, "one\ntwo", 7), WEFT_OK);
    assert_content(path, "one\ntwo");
    assert_int_equal(weft_file_write(path, "", 0), WEFT_OK);
    assert_content(path, "");
    weft_map map;
    assert_int_equal(weft_map_open(path, &map), WEFT_OK);
    assert_null(map.data);
    weft_map_close(&map);

    weft_output *output;
    weft_text expected = {0};
    assert_int_equal(weft_output_open(path, &output), WEFT_OK);
    for (int i = 0; i < 200000; i++) { /* crosses the buffer many times */
        char line[16];
        int length = snprintf(line, sizeof line, "%d,", i);
        assert_int_equal(weft_output_write(output, line, (size_t)length), WEFT_OK);
        weft_text_bytes(&expected, line, (size_t)length);
    }
    assert_int_equal(weft_output_write(output, expected.data, expected.length), WEFT_OK); /* larger than the buffer */
    assert_content(path, "");                                                             /* nothing is seen before the commit */
    assert_int_equal(weft_output_commit(output), WEFT_OK);
    assert_int_equal(weft_map_open(path, &map), WEFT_OK);
    assert_int_equal(map.size, 2 * expected.length);
    assert_memory_equal(map.data, expected.data, expected.length);
    assert_memory_equal((const char *)map.data + expected.length, expected.data, expected.length);
    weft_map_close(&map);
    weft_text_free(&expected);
    assert_int_equal(entries(folder), 1);
    unlink(path);
}

static void read_keeps_to_its_limit(void **state)
{
    (void)state;
    const char *path = in_folder("limit");
    char *data;
    size_t size;
    assert_int_equal(weft_file_write(path, "12345", 5), WEFT_OK);
    assert_int_equal(weft_file_read(path, 5, &data, &size), WEFT_OK);
    free(data);
    assert_int_equal(weft_file_read(path, 4, &data, &size), WEFT_ERROR_FORMAT);
    assert_null(data);
    assert_error_says("limit", "larger than 4 bytes");
    assert_int_equal(weft_file_read("/proc/self/status", 1 << 16, &data, &size), WEFT_OK); /* says size 0 */
    assert_true(size > 100 && data[size] == 0);
    free(data);
    assert_int_equal(weft_file_read("/proc/self/status", 10, &data, &size), WEFT_ERROR_FORMAT);
    unlink(path);
}

static void streams_stay_open(void **state)
{
    (void)state;
    int ends[2];
    char *data;
    size_t size;
    weft_output *output;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(weft_output_stream(ends[1], "the pipe", &output), WEFT_OK);
    assert_int_equal(weft_output_write(output, "one\n", 4), WEFT_OK);
    assert_int_equal(weft_output_commit(output), WEFT_OK);
    assert_int_equal(write(ends[1], "two\n", 4), 4);
    close(ends[1]);
    assert_int_equal(weft_stream_read(ends[0], "the pipe", 8, &data, &size), WEFT_OK);
    assert_int_equal(size, 8);
    assert_string_equal(data, "one\ntwo\n");
    free(data);
    assert_int_equal(weft_stream_read(ends[0], "the pipe", 8, &data, &size), WEFT_OK); /* at its end, and still open */
    assert_int_equal(size, 0);
    free(data);
    close(ends[0]);
    assert_int_equal(weft_stream_read(-1, "no pipe", 8, &data, &size), WEFT_ERROR_FILE);
    assert_error_says("no pipe", "cannot read");
    assert_null(data);
    assert_int_equal(weft_output_stream(-1, "no pipe", &output), WEFT_ERROR_FILE);
    assert_error_says("no pipe", "cannot write");
    assert_null(output);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "12345", 5), 5);
    assert_int_equal(weft_stream_read(ends[0], "the pipe", 4, &data, &size), WEFT_ERROR_FORMAT);
    assert_error_says("the pipe", "larger than 4 bytes");
    close(ends[0]);
    close(ends[1]);
}

static void refuses_what_is_no_file(void **state)
{
    (void)state;
    weft_map map;
    char *data;
    size_t size;
    const char *pipe = in_folder("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(weft_map_open(pipe, &map), WEFT_ERROR_FILE);
    assert_error_says("pipe", "is a pipe, expected a file");
    assert_int_equal(weft_file_read(pipe, 100, &data, &size), WEFT_ERROR_FILE);
    assert_int_equal(weft_map_open(folder, &map), WEFT_ERROR_FILE);
    assert_error_says(folder, "is a folder");
    assert_int_equal(weft_map_open(in_folder("none"), &map), WEFT_ERROR_FILE);
    assert_error_says("/none", "No such file");
    assert_int_equal(weft_file_read("/dev/zero", 100, &data, &size), WEFT_ERROR_FILE);
    unlink(pipe);
    assert_int_equal(weft_file_write(folder, "x", 1), WEFT_ERROR_FILE);
    assert_error_says(folder, "Is a directory");
    assert_int_equal(weft_file_write(in_folder("none/x"), "x", 1), WEFT_ERROR_FILE);
    assert_error_says("none/x", "No such file");
    assert_int_equal(weft_file_write("", "x", 1), WEFT_ERROR_ARGUMENT);
    assert_int_equal(entries(folder), 0);
}

static void abandon_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = in_folder("kept");
    assert_int_equal(weft_file_write(path, "old", 3), WEFT_OK);
    weft_output *output;
    assert_int_equal(weft_output_open(path, &output), WEFT_OK);
    assert_int_equal(weft_output_write(output, "new", 3), WEFT_OK);
    assert_int_equal(entries(folder), 2);
    weft_output_abandon(output);
    weft_output_abandon(NULL);
    assert_content(path, "old");
    assert_int_equal(entries(folder), 1);
    unlink(path);
}

static void keeps_mode_and_links(void **state)
{
    (void)state;
    const char *path = in_folder("mode"), *link = in_folder("link");
    assert_int_equal(weft_file_write(path, "old", 3), WEFT_OK);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(weft_file_write(link, "new", 3), WEFT_OK);
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_content(path, "new");
    unlink(link);
    unlink(path);
}

static void long_names_are_written(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    const char *path = in_folder(name);
    assert_int_equal(weft_file_write(path, "x", 1), WEFT_OK);
    assert_content(path, "x");
    unlink(path);
}

static void a_full_device_is_reported(void **state)
{
    (void)state;
    assert_int_equal(weft_file_write("/dev/null", "x", 1), WEFT_OK); /* written through, not replaced */
    struct stat info;
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    if (stat("/dev/full", &info) != 0)
        skip();
    assert_int_equal(weft_file_write("/dev/full", "x", 1), WEFT_ERROR_FILE);
    assert_error_says("/dev/full", "No space left");
    assert_int_equal(stat("/dev/full", &info), 0);
}

/* Writes 8 MB over a file of "old" and expects `reason`; at once for large pieces, at commit at the latest. */
static void assert_write_fails(const char *path, const char *reason)
{
    static char block[1 << 20];
    for (int piece = 1; piece <= 1 << 20; piece <<= 10) {
        weft_output *output;
        assert_int_equal(weft_output_open(path, &output), WEFT_OK);
        weft_status status = WEFT_OK;
        for (int i = 0; i < 8 << 20 && status == WEFT_OK; i += piece)
            status = weft_output_write(output, block, (size_t)piece);
        if (status != WEFT_OK) {
            assert_error_says(path, reason);
            weft_fail(WEFT_ERROR_ARGUMENT, "another error in between");
            assert_int_equal(weft_output_write(output, "x", 1), WEFT_ERROR_FILE);
            assert_error_says(path, reason);
        }
        assert_int_equal(weft_output_commit(output), WEFT_ERROR_FILE);
        assert_error_says(path, reason);
    }
    assert_content(path, "old");
}

static void a_file_size_limit_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = in_folder("limited");
    assert_int_equal(weft_file_write(path, "old", 3), WEFT_OK);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit, kept;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    limit = kept;
    limit.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_write_fails(path, "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    signal(SIGXFSZ, before);
    assert_int_equal(entries(folder), 1);
    unlink(path);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    const char *disk = in_folder("disk");
    assert_int_equal(mkdir(disk, 0700), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=1m") != 0) {
        print_message("skipped: a small disk cannot be mounted here: %s\n", strerror(errno));
        rmdir(disk);
        skip();
    }
    const char *path = in_folder("disk/file");
    assert_int_equal(weft_file_write(path, "old", 3), WEFT_OK);
    assert_write_fails(path, "No space left");
    assert_int_equal(entries(disk), 1);
    assert_int_equal(umount(disk), 0);
    rmdir(disk);
}

/* A writer killed at any point: the file is whole, old or new. */
static void a_killed_writer_leaves_a_whole_file(void **state)
{
    (void)state;
    const char *path = in_folder("killed");
    static char content[2][300000];
    memset(content[0], 'a', sizeof content[0]);
    memset(content[1], 'b', sizeof content[1]);
    assert_int_equal(weft_file_write(path, content[0], sizeof content[0]), WEFT_OK);
    for (int round = 0; round < 10; round++) {
        pid_t writer = fork();
        if (writer == 0)
            for (int i = 0;; i++)
                weft_file_write(path, content[i & 1], sizeof content[0]);
        usleep(2000 + 1700 * (useconds_t)round);
        kill(writer, SIGKILL);
        waitpid(writer, NULL, 0);
        weft_map map;
        assert_int_equal(weft_map_open(path, &map), WEFT_OK);
        assert_int_equal(map.size, sizeof content[0]);
        assert_memory_equal(map.data, content[((const char *)map.data)[0] == 'b'], map.size);
        weft_map_close(&map);
    }
}

static void folders_are_made(void **state)
{
    (void)state;
    const char *deep = in_folder("a/b//c/");
    assert_int_equal(weft_folder_make(deep), WEFT_OK);
    assert_int_equal(weft_folder_make(deep), WEFT_OK);
    assert_true(weft_path_is_folder(in_folder("a/b/c")));
    assert_int_equal(weft_file_write(in_folder("a/file"), "x", 1), WEFT_OK);
    assert_true(weft_path_exists(in_folder("a/file")));
    assert_false(weft_path_is_folder(in_folder("a/file")));
    assert_int_equal(weft_folder_make(in_folder("a/file/x")), WEFT_ERROR_FILE);
    assert_error_says("a/file/x", "cannot make the folder");
    assert_int_equal(weft_folder_make(in_folder("a/file")), WEFT_ERROR_FILE);
    assert_error_says("a/file", "is a file");
    assert_int_equal(weft_folder_make(""), WEFT_ERROR_ARGUMENT);
    char *joined = weft_path_join("x", "y");
    assert_string_equal(joined, "x/y");
    free(joined);
    joined = weft_path_join("x/", "y");
    assert_string_equal(joined, "x/y");
    free(joined);
    joined = weft_path_join("", "y");
    assert_string_equal(joined, "y");
    free(joined);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_what_was_written, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(read_keeps_to_its_limit, make_folder, drop_folder),
        cmocka_unit_test(streams_stay_open),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_file, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(abandon_leaves_the_old_file, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(keeps_mode_and_links, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(long_names_are_written, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(a_full_device_is_reported, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(a_file_size_limit_leaves_the_old_file, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_old_file, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(a_killed_writer_leaves_a_whole_file, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(folders_are_made, make_folder, drop_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

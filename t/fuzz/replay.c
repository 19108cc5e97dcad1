/* replay.c - runs a fuzz target over its seeds, for "make check"
 * SPDX-License-Identifier: Apache-2.0
 *
 *   replay_x [FILE...]
 */
#include <stdio.h>
#include <stdlib.h>

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "fuzz.h"

static void fail(const char *path)
{
    fprintf(stderr, "replay: %s cannot be read\n", path);
    exit(EXIT_FAILURE);
}

static void replay(const char *path, apr_pool_t *p)
{
    apr_file_t *file;
    apr_finfo_t info;
    char *data;

    if (apr_file_open(&file, path, APR_FOPEN_READ, 0, p) != APR_SUCCESS ||
        apr_file_info_get(&info, APR_FINFO_SIZE, file) != APR_SUCCESS)
        fail(path);
    /* of that size exactly, so that sanitizers see reads past its end */
    data = malloc((size_t)info.size + (info.size == 0));
    if (!data ||
        (info.size > 0 && apr_file_read_full(file, data, (apr_size_t)info.size,
                                             NULL) != APR_SUCCESS))
        fail(path);
    apr_file_close(file);
    LLVMFuzzerTestOneInput((const uint8_t *)data, (size_t)info.size);
    free(data);
}

static int replay_directory(const char *path, apr_pool_t *p)
{
    apr_dir_t *dir;
    apr_finfo_t info;
    int n = 0;

    if (apr_dir_open(&dir, path, p) != APR_SUCCESS)
        fail(path);
    while (apr_dir_read(&info, APR_FINFO_NAME | APR_FINFO_TYPE, dir) ==
           APR_SUCCESS) {
        if (info.filetype == APR_REG && info.name[0] != '.') {
            replay(apr_pstrcat(p, path, "/", info.name, NULL), p);
            n++;
        }
    }
    apr_dir_close(dir);
    return n;
}

int main(int argc, char **argv)
{
    const char *source = getenv("srcdir");
    apr_pool_t *p;
    int i, n = 0;

    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&p, NULL) != APR_SUCCESS)
        return EXIT_FAILURE;
    LLVMFuzzerInitialize(&argc, &argv);
    for (i = 1; i < argc; i++, n++)
        replay(argv[i], p);
    for (i = 0; argc == 1 && fuzz_seeds[i]; i++)
        n += replay_directory(apr_pstrcat(p, source ? source : ".", "/",
                                          fuzz_seeds[i], NULL),
                              p);
    printf("%d inputs\n", n);
    apr_pool_destroy(p);
    return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

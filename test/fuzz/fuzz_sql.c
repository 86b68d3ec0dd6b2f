/* SPDX-License-Identifier: MIT */
/* Any text as SQL over a small recording: no crash, nothing without end, nothing written. */
#include <sys/stat.h>

#include "small_recording.h"

#define ROWS_MAX 2000

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64], path[128];
static struct es_query *query;
static struct es_sql *sql;
static struct stat before;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    query = small_recording(directory, path);
    struct es_sql_options sql_options = {.timeout_ns = 100000000, .memory = 256 << 20};
    need(es_sql_open(query, &sql_options, &sql) == 0, "sql");
    need(stat(path, &before) == 0, "stat");
    need(chdir(directory) == 0, "chdir");
    return 0;
}

static void run(void)
{
    for (int row = 0; row < ROWS_MAX && es_sql_step(sql) > 0; row++)
        for (size_t i = 0; i < es_sql_columns(sql); i++) {
            struct es_sql_cell cell;
            es_sql_cell(sql, i, &cell);
            need(cell.text != NULL && es_sql_column(sql, i) != NULL, "cell");
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stat after;
    char *text = malloc(size + 1);
    const char *rest = text;
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    while (es_sql_begin(sql, rest, &rest) > 0)
        run();
    es_error_clear();
    es_sql_finish(sql);
    free(text);
    need(stat(path, &after) == 0 && after.st_size == before.st_size && after.st_mtime == before.st_mtime, "written");
    need(access("x", F_OK) != 0, "a file was made");
    return 0;
}

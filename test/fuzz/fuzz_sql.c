/* SPDX-License-Identifier: MIT */
/* Any text as SQL over a small recording: no crash, nothing without end, nothing written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "query/query.h"
#include "store/store.h"

#define EVENTS 400u
#define ROWS_MAX 2000

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64], path[128];
static struct es_query *query;
static struct es_sql *sql;
static struct stat before;

static void need(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, es_error_text());
    abort();
}

static struct es_event make(uint64_t seq)
{
    static const uint8_t payload[] = {97, 5};
    static const uint8_t kinds[] = {ES_K_CALL,         ES_K_SEND,           ES_K_DELIVER, ES_K_STATE,
                                    ES_K_RETURN,       ES_K_GC_MINOR_START, ES_K_IN,      ES_K_OUT,
                                    ES_K_GC_MINOR_END, ES_K_EXCEPTION,      ES_K_MARK,    ES_K_EXIT};
    struct es_event e = {.seq = seq, .kind = kinds[seq * 7 / 3 % sizeof kinds], .time = (int64_t)seq * 777};
    unsigned fields = es_kind_table[e.kind].fields;
    e.pid = es_ref_pid((uint32_t)(seq % 5), 0);
    if (fields & ES_F_PEER)
        e.peer = es_ref_pid((uint32_t)(seq % 3), 0);
    if (fields & ES_F_FUN) {
        e.module = es_ref_make(ES_REF_ATOM, 1 + seq % 2);
        e.function = es_ref_make(ES_REF_ATOM, 1 + seq % 3);
    }
    if (fields & ES_F_CAUSE && seq > 9) {
        e.cause_state = ES_CAUSE_PAIRED;
        e.cause = seq - 1 - seq % 7;
    }
    if (fields & ES_F_PAYLOAD) {
        e.payload = payload;
        e.payload_len = sizeof payload;
    }
    return e;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct es_store *store;
    (void)argc, (void)argv;
    strcpy(directory, "/tmp/fuzz_sql_XXXXXX");
    need(mkdtemp(directory) != NULL, "directory");
    snprintf(path, sizeof path, "%s/a.scope", directory);
    struct es_store_options options = {.path = path};
    need(es_store_create(&options, &store) == 0, "create");
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        struct es_event e = make(seq);
        struct es_process process = {.pid = e.pid, .exited = INT64_MAX};
        need(es_store_event(store, &e) == 0, "event");
        if (seq <= 5)
            need(es_store_process(store, &process) == 0, "process");
    }
    for (uint64_t i = 1; i <= 3; i++)
        need(es_store_define(store, es_ref_make(ES_REF_ATOM, i), "name", 4) == 0, "define");
    need(es_store_name(store, es_ref_make(ES_REF_ATOM, 1), es_ref_pid(1, 0), 5, INT64_MAX) == 0, "name");
    need(es_store_close(store, NULL) == 0, "close");
    need(es_query_open(path, &query) == 0, "open");
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

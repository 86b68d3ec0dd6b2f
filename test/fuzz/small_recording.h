/* SPDX-License-Identifier: MIT */
/* A small recording of all that questions can be about, for the targets that ask them. */
#ifndef SMALL_RECORDING_H
#define SMALL_RECORDING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "query/query.h"
#include "store/store.h"

#define EVENTS 400u

static void need(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, es_error_text());
    abort();
}

static struct es_event small_event(uint64_t seq)
{
    static const uint8_t payload[] = {104, 2, 97, 5, 109, 0, 0, 0, 3, 't', 'e', 'a'}; /* {5, <<"tea">>} */
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

/* In a directory of its own, whose name and the file's are given back; open. */
static struct es_query *small_recording(char directory[64], char path[128])
{
    struct es_store *store;
    struct es_query *query;
    strcpy(directory, "/tmp/elixirscope-fuzz.XXXXXX");
    need(mkdtemp(directory) != NULL, "directory");
    snprintf(path, 128, "%s/a.scope", directory);
    struct es_store_options options = {.path = path};
    need(es_store_create(&options, &store) == 0, "create");
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        struct es_event e = small_event(seq);
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
    return query;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Processes at a moment, and what is known of each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/inner.h"
#include "wire/term.h"

/* ---- names over time ----------------------------------------------------------------------------------------------- */

static int by_pid_and_time(const void *a, const void *b)
{
    const struct es_name *x = a, *y = b;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return x->since < y->since ? -1 : x->since > y->since;
}

static bool sort_names(struct es_query *query)
{
    const struct es_name *names = NULL;
    if (query->names_ready)
        return true;
    size_t n = es_recording_names(query->recording, &names);
    query->names = n ? malloc(n * sizeof *names) : NULL;
    if (n && !query->names)
        return false;
    if (n) {
        memcpy(query->names, names, n * sizeof *names);
        qsort(query->names, n, sizeof *names, by_pid_and_time);
    }
    query->n_names = n;
    query->names_ready = true;
    return true;
}

es_ref es_query_name(struct es_query *query, es_ref pid, int64_t at)
{
    if (pid == ES_REF_NONE || !sort_names(query))
        return ES_REF_NONE;
    size_t from = 0, to = query->n_names; /* the first that begins later */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct es_name *name = &query->names[middle];
        if (name->pid < pid || (name->pid == pid && name->since <= at))
            from = middle + 1;
        else
            to = middle;
    }
    return from > 0 && query->names[from - 1].pid == pid ? query->names[from - 1].name : ES_REF_NONE;
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

bool es_query_is_atom(struct es_query *query, const struct es_token *token, const char *text)
{
    size_t len = token->len;
    const uint8_t *utf8 = token->type == ES_TOK_ATOM ? token->bytes : NULL;
    if (token->type == ES_TOK_ATOM_REF)
        utf8 = es_recording_define(query->recording, es_ref_make(ES_REF_ATOM, token->word), &len);
    return utf8 && len == strlen(text) && memcmp(utf8, text, len) == 0;
}

/* The number under `memory` in a map; 0 where there is none. */
static uint64_t memory_in(struct es_query *query, const uint8_t *bytes, size_t len)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, bytes, len);
    if (len == 0 || es_token_next(&r, &token) < 0 || token.type != ES_TOK_MAP)
        return 0;
    for (uint32_t pairs = token.count; pairs > 0; pairs--) {
        struct es_reader key_at = r;
        if (es_term_skip(&r) < 0 || es_token_next(&key_at, &token) < 0)
            return 0;
        if (es_query_is_atom(query, &token, "memory"))
            return es_token_next(&r, &token) == 0 && token.type == ES_TOK_INT && token.integer > 0
                       ? (uint64_t)token.integer
                       : 0;
        if (es_term_skip(&r) < 0)
            return 0;
    }
    return 0;
}

/* Samples up to `at`, the last of each process. */
static int sample_memory(struct es_query *query, int64_t at, struct es_refmap *ret_samples)
{
    struct es_filter filter = {.kinds = UINT64_C(1) << ES_K_MEMORY, .since = INT64_MIN, .until = INT64_MAX};
    struct es_cursor *cursor;
    const struct es_event *event;
    int rc = es_cursor_open(query, &filter, &cursor);
    if (rc < 0)
        return rc;
    while ((rc = es_cursor_next(cursor, &event)) > 0 && event->time <= at) {
        uint64_t bytes = event->pid ? memory_in(query, event->payload, event->payload_len) : 0;
        uint64_t *place = bytes ? es_refmap_place(ret_samples, event->pid) : NULL;
        if (place)
            *place = bytes;
    }
    es_cursor_close(cursor);
    return rc < 0 ? rc : 0;
}

/* ---- ps ------------------------------------------------------------------------------------------------------------ */

static int count_events(struct es_query *query, struct es_refmap *ret_counts)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    for (size_t i = 0; i < n; i++) {
        struct es_pid_count *counts = NULL;
        size_t n_counts = 0;
        int rc = es_recording_block_pids(query->recording, i, &counts, &n_counts);
        if (rc == -EBADMSG || rc == -ENOENT)
            continue; /* damaged, or dropped since */
        if (rc < 0)
            return rc;
        for (size_t k = 0; k < n_counts; k++) {
            uint64_t *place = counts[k].pid ? es_refmap_place(ret_counts, counts[k].pid) : NULL;
            if (place)
                *place += counts[k].events;
        }
        free(counts);
    }
    return 0;
}

static uint64_t value_of(const struct es_refmap *map, es_ref pid)
{
    const uint64_t *value = es_refmap_find(map, pid);
    return value ? *value : 0;
}

static size_t fill_rows(struct es_query *query, int64_t at, struct es_refmap *maps, struct es_ps_row *rows)
{
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(query->recording, &processes), n_rows = 0;
    for (size_t i = 0; i < n; i++) {
        const struct es_process *p = &processes[i];
        bool all = at == INT64_MAX;
        if (!all && (p->spawned > at || p->exited <= at))
            continue;
        uint64_t memory = value_of(&maps[1], p->pid);
        rows[n_rows++] = (struct es_ps_row){.process = p,
                                            .events = value_of(&maps[0], p->pid),
                                            .memory = memory ? memory : memory_in(query, p->facts, p->facts_len),
                                            .alive = !all || p->exited == INT64_MAX};
    }
    return n_rows;
}

static int make_rows(struct es_query *query, int64_t at, struct es_refmap *maps, struct es_ps_row **ret_rows)
{
    int rc = count_events(query, &maps[0]);
    if (rc == 0)
        rc = sample_memory(query, at, &maps[1]);
    if (rc < 0)
        return rc;
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(query->recording, &processes);
    struct es_ps_row *rows = malloc((n ? n : 1) * sizeof *rows);
    if (!rows)
        return es_fail(-ENOMEM, "no memory for %zu processes", n);
    *ret_rows = rows;
    return 0;
}

int es_query_ps(struct es_query *query, int64_t at, struct es_ps_row **ret_rows, size_t *ret_n)
{
    struct es_refmap maps[2] = {{0}};
    struct es_ps_row *rows = NULL;
    int rc = make_rows(query, at, maps, &rows);
    if (rows) {
        *ret_n = fill_rows(query, at, maps, rows);
        *ret_rows = rows;
    }
    es_refmap_fini(&maps[0]);
    es_refmap_fini(&maps[1]);
    return rc;
}

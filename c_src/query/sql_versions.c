/* SPDX-License-Identifier: MIT */
/* Numbers of versions of states, as es_query_versions() counts them, of all processes at once: made in one walk when first asked for, and
 * continued where a live recording has grown. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/sql.h"

static int add_number(struct es_sql_versions *v, uint64_t seq, uint64_t number)
{
    if (v->n == v->room) {
        size_t room = v->room ? v->room * 2 : 1024;
        uint64_t *seqs = realloc(v->seqs, room * sizeof *seqs);
        v->seqs = seqs ? seqs : v->seqs;
        uint32_t *numbers = realloc(v->numbers, room * sizeof *numbers);
        v->numbers = numbers ? numbers : v->numbers;
        if (!seqs || !numbers)
            return -ENOMEM;
        v->room = room;
    }
    v->seqs[v->n] = seq;
    v->numbers[v->n++] = (uint32_t)number;
    return 0;
}

static int add_block(struct es_sql_versions *v, const struct es_block *block)
{
    for (size_t i = 0; i < block->n; i++) {
        const struct es_event *event = &block->events[i];
        if (event->kind != ES_K_STATE || event->seq < v->next)
            continue;
        uint64_t *count = es_refmap_place(&v->counts, event->pid);
        if (!count)
            return -ENOMEM;
        *count += !(event->flags & ES_E_STATE_SAME);
        if (add_number(v, event->seq, *count) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Walks on to the end of the recording. What cannot be read has no versions. */
static int go_on(struct es_sql *sql)
{
    struct es_sql_versions *v = &sql->versions;
    struct es_recording *recording = sql->query->recording;
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(recording, &blocks);
    int rc = 0;
    for (size_t i = es_query_block_of(sql->query, v->next); rc == 0 && i < n; i++) {
        struct es_block *block = NULL;
        uint64_t last = blocks[i].last_seq;
        rc = es_sql_tick(sql);
        if (rc == 0 && blocks[i].kinds[ES_K_STATE])
            rc = es_block_get_fields(recording, i, 0, &block);
        if (rc == 0 && block)
            rc = add_block(v, block);
        es_block_unref(recording, block);
        if (rc == -EBADMSG || rc == -ENOENT) {
            es_error_clear();
            rc = 0;
        }
        v->next = rc == 0 ? last + 1 : v->next;
    }
    return rc;
}

void es_sql_versions_fini(struct es_sql_versions *v)
{
    free(v->seqs);
    free(v->numbers);
    es_refmap_fini(&v->counts);
    *v = (struct es_sql_versions){0};
}

uint64_t es_sql_version(struct es_sql *sql, const struct es_event *state)
{
    struct es_sql_versions *v = &sql->versions;
    uint64_t seq = state->seq;
    size_t from = 0;
    if (seq >= v->next && go_on(sql) < 0) {
        es_sql_versions_fini(v);
        return 0;
    }
    for (size_t to = v->n; from < to;) {
        size_t middle = from + (to - from) / 2;
        if (v->seqs[middle] < seq)
            from = middle + 1;
        else
            to = middle;
    }
    return from < v->n && v->seqs[from] == seq ? v->numbers[from] : 0;
}

/* SPDX-License-Identifier: MIT */
/* Moments at which an expression holds, forwards or backwards from a place. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/find.h"

struct es_find {
    struct es_find_tree tree;
    struct es_find_area area;
    struct es_find_eval eval;
    struct es_find_request request;
    struct es_cursor *cursor; /* NULL: there is nothing to look at */
    uint64_t given, ticks;
};

/* States are stored apart from other payloads: where only these are asked for, no others are read. */
static unsigned fields_of(const struct es_find *find)
{
    unsigned fields = find->tree.needs;
    if (fields & ES_F_PAYLOAD && find->area.kinds == UINT64_C(1) << ES_K_STATE)
        fields = (fields & ~(unsigned)ES_F_PAYLOAD) | ES_FIELD_LENGTHS;
    return fields | ES_NO_FIELDS;
}

static int open_cursor(struct es_find *find)
{
    struct es_find_area *area = &find->area;
    const struct es_find_request *request = &find->request;
    int64_t since = area->since, until = area->until;
    if (request->from != INT64_MIN && !request->reverse && request->from > since)
        since = request->from;
    if (request->from != INT64_MIN && request->reverse && request->from < until)
        until = request->from;
    uint64_t after = area->first ? area->first - 1 : 0, before = area->last + 1, from = request->from_seq;
    if (from && !request->reverse && from > after)
        after = from;
    if (from && request->reverse && from < before)
        before = from;
    if (since > until || area->kinds == 0 || (!area->all_pids && area->n_pids == 0) || after + 1 >= before)
        return 0;
    struct es_filter filter = {.pids = area->pids,
                               .n_pids = area->all_pids ? 0 : area->n_pids,
                               .kinds = area->kinds == (UINT64_C(1) << ES_KIND_MAX) - 1 ? 0 : area->kinds,
                               .since = since,
                               .until = until == INT64_MAX ? INT64_MAX : until + 1,
                               .after_seq = after,
                               .before_seq = before,
                               .reverse = request->reverse,
                               .fields = fields_of(find)};
    filter.no_payload = !(find->tree.needs & ES_F_PAYLOAD);
    return es_cursor_open(find->eval.query, &filter, &find->cursor);
}

int es_find_open(struct es_query *query, const struct es_find_request *request, struct es_find **ret_find)
{
    struct es_find *find = calloc(1, sizeof *find);
    if (!find)
        return es_fail(-ENOMEM, "no memory to look for anything");
    find->request = *request;
    find->eval.query = query;
    find->eval.erlang = request->erlang;
    int rc = es_find_parse(query, request->expression, &find->tree);
    if (rc == 0)
        rc = es_find_plan(query, &find->tree, &find->area);
    if (rc == 0)
        rc = open_cursor(find);
    if (rc < 0) {
        es_find_close(find);
        return rc == -ENOMEM ? es_fail(rc, "no memory to look for it") : rc;
    }
    *ret_find = find;
    return 0;
}

void es_find_close(struct es_find *find)
{
    if (!find)
        return;
    es_find_eval_fini(&find->eval);
    es_cursor_close(find->cursor);
    es_find_area_fini(&find->area);
    es_find_tree_fini(&find->tree);
    free(find);
}

int es_find_next(struct es_find *find, const struct es_event **ret_event)
{
    const struct es_event *event = NULL;
    int rc = 0;
    if (find->request.limit && find->given == find->request.limit)
        return 0;
    while (find->cursor && (rc = es_cursor_next(find->cursor, &event)) > 0) {
        if ((++find->ticks & 63) == 0 && find->request.stop && find->request.stop(find->request.context))
            return es_fail(-EINTR, "interrupted");
        es_find_eval_next(&find->eval, event);
        if (!es_find_holds(&find->eval, &find->tree, find->tree.root))
            continue;
        find->given++;
        *ret_event = event;
        return 1;
    }
    es_find_eval_next(&find->eval, NULL);
    return rc;
}

uint64_t es_find_undecided(const struct es_find *find) { return find->eval.undecided; }

/* SPDX-License-Identifier: MIT */
/* Which of two events came first, as far as one could know of the other. Looked for from both ends, block by block, always
 * at the end that has reached fewer processes, until both know the same process, or all that lies between was seen once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/search.h"

/* ---- ends: deliveries are no acts of their process ----------------------------------------------------------------- */

/* Where the search begins: the act itself, or the handling of a delivery. 0: there is none; negative errno. A delivery that
 * is not known to be handled may be with the receiver's next act: only acts lie behind it. */
static int set_from(struct es_search *s, const struct es_indexed *event)
{
    s->from = event->seq;
    s->from_process = es_edges_number(s->query->index, event->pid);
    if (event->kind != ES_K_DELIVER)
        return 1;
    int rc = es_edges_handler(s->query, event, s->last_known, &s->from);
    if (rc < 0)
        return rc;
    if (s->from == 0 && s->maybe)
        s->from = event->seq;
    return s->from != 0;
}

static int set_to(struct es_search *s, const struct es_indexed *event)
{
    struct es_indexed cause = *event;
    if (event->kind == ES_K_DELIVER) {
        int rc = event->cause ? es_index_event(s->query, event->cause, &cause) : -ENOENT;
        if (rc == -ENOENT || rc == -EBADMSG)
            es_error_clear();
        if (rc < 0)
            return rc == -ENOENT || rc == -EBADMSG ? 0 : rc;
    }
    s->to = cause.seq;
    s->to_process = cause.pid ? es_edges_number(s->query->index, cause.pid) : UINT32_MAX;
    return cause.pid != ES_REF_NONE && cause.kind != ES_K_DELIVER;
}

/* ---- the answer ---------------------------------------------------------------------------------------------------- */

/* Could the first have led to the second? 1, 0, negative errno. */
static int leads(struct es_search *s, const struct es_indexed *first, const struct es_indexed *last,
                 struct es_order_answer *ret)
{
    int rc = set_to(s, last);
    if (rc > 0 && s->to == first->seq && last->kind == ES_K_DELIVER)
        return es_search_path_of(s, first->seq, last->seq, ret);
    if (rc > 0)
        rc = set_from(s, first);
    if (rc > 0)
        rc = s->from <= s->to ? es_search_run(s) : 0;
    return rc > 0 ? es_search_path(s, first->seq, last->seq, ret) : rc;
}

static int decide(struct es_search *s, const struct es_indexed *first, const struct es_indexed *last,
                  struct es_order_answer *ret)
{
    bool late = (first->flags | last->flags) & ES_E_LATE;
    s->maybe = s->saw_maybe = false;
    int rc = leads(s, first, last, ret);
    if (rc == 1)
        ret->order = late ? ES_ORDER_POSSIBLY_BEFORE : ES_ORDER_BEFORE;
    if (rc != 0 || (!s->saw_maybe && first->kind != ES_K_DELIVER))
        return rc;
    s->maybe = true;
    rc = leads(s, first, last, ret);
    if (rc == 1)
        ret->order = ES_ORDER_POSSIBLY_BEFORE;
    return rc;
}

/* ---- messages of unknown origin ------------------------------------------------------------------------------------ */

/* In a part, behind event `after` and not behind `until`. */
static size_t strange_here(const struct es_index_part *part, uint64_t after, uint64_t until)
{
    size_t n = 0;
    for (uint32_t i = 0; i < part->n_strange; i++)
        n += part->first + part->strange[i] > after && part->first + part->strange[i] <= until;
    return n;
}

static int strange_in(struct es_query *query, size_t block, size_t *ret_n)
{
    struct es_index *index = query->index;
    uint32_t n = 0;
    if (!index->strange && !(index->strange = calloc(index->n_blocks, sizeof *index->strange)))
        return es_fail(-ENOMEM, "no memory to count messages");
    if (index->strange[block] == 0) {
        int rc = index->parts[block] ? 0 : es_recording_block_strange(query->recording, block, &n);
        if (rc < 0 && rc != -EBADMSG && rc != -ENOENT)
            return rc;
        if (rc < 0)
            es_error_clear();
        index->strange[block] = 1 + (index->parts[block] ? index->parts[block]->n_strange : n);
    }
    *ret_n += index->strange[block] - 1;
    return 0;
}

static int count_strange(struct es_query *query, uint64_t after, uint64_t until, size_t *ret_n)
{
    size_t first = es_query_block_of(query, after), last = es_query_block_of(query, until);
    struct es_index_part *part;
    int rc = es_index_part_get(query, first, &part);
    *ret_n = rc < 0 ? 0 : strange_here(part, after, until);
    for (size_t i = first + 1; rc == 0 && i < last; i++)
        rc = strange_in(query, i, ret_n);
    if (rc == 0 && last > first && (rc = es_index_part_get(query, last, &part)) == 0)
        *ret_n += strange_here(part, after, until);
    return rc;
}

/* ---- the question -------------------------------------------------------------------------------------------------- */

static int get_event(struct es_query *query, uint64_t seq, struct es_indexed *ret)
{
    int rc = es_index_event(query, seq, ret);
    if (rc == -ENOENT)
        return es_fail(rc, "the recording has no event %llu", (unsigned long long)seq);
    return rc < 0 ? es_fail(rc, "event %llu cannot be read", (unsigned long long)seq) : 0;
}

static int answer(struct es_query *query, const struct es_indexed *first, const struct es_indexed *last,
                  struct es_order_answer *ret)
{
    struct es_search *s;
    bool nobody = first->pid == ES_REF_NONE;
    if (nobody || last->pid == ES_REF_NONE)
        return es_fail(-EINVAL, "event %llu is nothing that a process did: it has no place in their order",
                       (unsigned long long)(nobody ? first->seq : last->seq));
    int rc = es_search_take(query, last->seq, &s);
    if (rc == 0)
        rc = decide(s, first, last, ret);
    if (rc >= 0) /* the search has read what lies between, or most of it is left alone */
        rc = count_strange(query, first->seq, last->seq, &ret->unknown);
    if (rc < 0) {
        free(ret->path);
        ret->path = NULL;
    }
    return rc < 0 ? rc : 0;
}

int es_query_before(struct es_query *query, uint64_t a, uint64_t b, struct es_order_answer *ret_answer)
{
    static const enum es_order turned[] = {ES_ORDER_SAME,       ES_ORDER_AFTER,          ES_ORDER_BEFORE,
                                           ES_ORDER_CONCURRENT, ES_ORDER_POSSIBLY_AFTER, ES_ORDER_POSSIBLY_BEFORE};
    struct es_order_answer found = {.order = a == b ? ES_ORDER_SAME : ES_ORDER_CONCURRENT};
    struct es_indexed first, last;
    int rc = get_event(query, a < b ? a : b, &first);
    if (rc == 0)
        rc = get_event(query, a < b ? b : a, &last);
    if (rc == 0 && a != b)
        rc = answer(query, &first, &last, &found);
    if (rc < 0)
        return rc;
    if (a > b)
        found.order = turned[found.order];
    *ret_answer = found;
    return 0;
}

const char *const es_order_names[] = {"same", "before", "after", "concurrent", "possibly before", "possibly after"};

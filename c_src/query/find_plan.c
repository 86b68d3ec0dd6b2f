/* SPDX-License-Identifier: MIT */
/* Where events can be for which an expression holds: kinds, processes, times, sequence numbers. What it cannot
 * tell is no bound. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/find.h"
#include "query/nodes.h"

#define ALL_KINDS ((UINT64_C(1) << ES_KIND_MAX) - 1)

static struct es_find_area everywhere(void)
{
    return (struct es_find_area){
        .kinds = ALL_KINDS, .since = INT64_MIN, .until = INT64_MAX, .last = UINT64_MAX - 1, .all_pids = true};
}

void es_find_area_fini(struct es_find_area *area)
{
    free(area->pids);
    *area = (struct es_find_area){0};
}

/* ---- processes ----------------------------------------------------------------------------------------------------- */

static int by_ref(const void *a, const void *b)
{
    es_ref x = *(const es_ref *)a, y = *(const es_ref *)b;
    return x < y ? -1 : x > y;
}

static int add_pid(struct es_find_area *area, es_ref pid)
{
    es_ref *pids = realloc(area->pids, (area->n_pids + 1) * sizeof *pids);
    if (!pids)
        return -ENOMEM;
    area->pids = pids;
    area->pids[area->n_pids++] = pid;
    return 0;
}

static void sort_pids(struct es_find_area *area)
{
    size_t n = 0;
    if (area->n_pids > 1)
        qsort(area->pids, area->n_pids, sizeof *area->pids, by_ref);
    for (size_t i = 0; i < area->n_pids; i++)
        if (n == 0 || area->pids[n - 1] != area->pids[i])
            area->pids[n++] = area->pids[i];
    area->n_pids = n;
}

static int add_named(struct es_query *query, struct es_find_area *area, const char *text)
{
    const struct es_name *names = NULL;
    size_t n = es_recording_names(query->recording, &names);
    struct es_text shown = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        for (int erlang = 0; rc == 0 && erlang < 2; erlang++) {
            es_text_clear(&shown);
            es_query_print_ref(query, names[i].name, erlang, &shown);
            if (shown.bytes && strcmp(shown.bytes, text) == 0)
                rc = add_pid(area, names[i].pid);
        }
    }
    es_text_fini(&shown);
    return rc;
}

static int restrict_pids(struct es_query *query, struct es_find_area *area, const struct es_find_operand *field,
                         const struct es_find_operand *value)
{
    es_ref pid;
    const char *text = value->value.text;
    if (value->is_field || value->value.is != ES_FV_TEXT)
        return 0;
    area->all_pids = false;
    if (field->field == ES_FF_NAME)
        return add_named(query, area, text);
    if (es_pid_text(text) && es_read_pid(query, text, &pid))
        return add_pid(area, pid);
    area->all_pids = true; /* a port, or nothing that is */
    return 0;
}

/* ---- comparisons --------------------------------------------------------------------------------------------------- */

static void restrict_time(struct es_find_area *area, enum es_word op, int64_t value)
{
    if (op == ES_W_EQUAL || op == ES_W_MORE || op == ES_W_FROM)
        area->since = value;
    if (op == ES_W_EQUAL || op == ES_W_LESS || op == ES_W_UP_TO)
        area->until = value;
}

static void restrict_seq(struct es_find_area *area, enum es_word op, int64_t value)
{
    uint64_t seq = value > 0 ? (uint64_t)value : 0;
    if (op == ES_W_EQUAL || op == ES_W_MORE || op == ES_W_FROM)
        area->first = seq;
    if (op == ES_W_EQUAL || op == ES_W_LESS || op == ES_W_UP_TO)
        area->last = seq;
}

static uint64_t kinds_called(enum es_find_field field, const char *text)
{
    uint64_t kinds = 0;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        if (strcmp(field == ES_FF_KIND ? es_kind_table[kind].name : es_family_names[es_kind_table[kind].family],
                   text) == 0)
            kinds |= UINT64_C(1) << kind;
    return kinds;
}

static uint64_t kinds_of_field(const struct es_find_operand *operand)
{
    uint64_t kinds = operand->is_field ? es_find_fields[operand->field].kinds : 0;
    return kinds ? kinds : ALL_KINDS;
}

static int plan_compare(struct es_query *query, const struct es_find_node *node, struct es_find_area *area)
{
    const struct es_find_value *value = &node->b.value;
    enum es_find_field field = node->a.field;
    area->kinds = kinds_of_field(&node->a) & kinds_of_field(&node->b);
    if (node->b.is_field)
        return 0;
    if (field == ES_FF_TIME && value->is == ES_FV_INTEGER)
        restrict_time(area, node->op, value->integer);
    if (field == ES_FF_SEQ && value->is == ES_FV_INTEGER)
        restrict_seq(area, node->op, value->integer);
    if (node->op != ES_W_EQUAL)
        return 0;
    if ((field == ES_FF_KIND || field == ES_FF_FAMILY) && value->is == ES_FV_TEXT)
        area->kinds &= kinds_called(field, value->text);
    return field == ES_FF_PID || field == ES_FF_NAME ? restrict_pids(query, area, &node->a, &node->b) : 0;
}

static int plan_list(struct es_query *query, const struct es_find_node *node, struct es_find_area *area)
{
    enum es_find_field field = node->a.field;
    uint64_t kinds = 0;
    int rc = 0;
    bool all = false;
    area->kinds = kinds_of_field(&node->a);
    for (size_t i = 0; rc == 0 && i < node->n_list; i++) {
        const struct es_find_operand *value = &node->list[i];
        if ((field == ES_FF_KIND || field == ES_FF_FAMILY) && !value->is_field && value->value.is == ES_FV_TEXT)
            kinds |= kinds_called(field, value->value.text);
        if (field == ES_FF_PID || field == ES_FF_NAME) {
            rc = restrict_pids(query, area, &node->a, value);
            all |= area->all_pids;
        }
    }
    if (field == ES_FF_KIND || field == ES_FF_FAMILY)
        area->kinds &= kinds;
    area->all_pids |= all;
    return rc;
}

/* ---- and, or ------------------------------------------------------------------------------------------------------- */

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }
static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void narrow_pids(struct es_find_area *a, const struct es_find_area *b)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_pids; i++)
        if (bsearch(&a->pids[i], b->pids, b->n_pids, sizeof *b->pids, by_ref))
            a->pids[n++] = a->pids[i];
    a->n_pids = n;
}

/* `a` becomes what lies in both; `b` is used up. */
static void meet(struct es_find_area *a, struct es_find_area *b)
{
    a->kinds &= b->kinds;
    a->since = later(a->since, b->since);
    a->until = earlier(a->until, b->until);
    a->first = larger(a->first, b->first);
    a->last = smaller(a->last, b->last);
    if (!a->all_pids && !b->all_pids)
        narrow_pids(a, b);
    else if (a->all_pids) {
        es_ref *pids = a->pids;
        a->pids = b->pids;
        a->n_pids = b->n_pids;
        a->all_pids = b->all_pids;
        b->pids = pids;
    }
    es_find_area_fini(b);
}

/* `a` becomes what holds both. */
static int join(struct es_find_area *a, struct es_find_area *b)
{
    int rc = 0;
    a->kinds |= b->kinds;
    a->since = earlier(a->since, b->since);
    a->until = later(a->until, b->until);
    a->first = smaller(a->first, b->first);
    a->last = larger(a->last, b->last);
    a->all_pids |= b->all_pids;
    for (size_t i = 0; rc == 0 && !a->all_pids && i < b->n_pids; i++)
        rc = add_pid(a, b->pids[i]);
    sort_pids(a);
    es_find_area_fini(b);
    return rc;
}

static int plan(struct es_query *query, const struct es_find_tree *tree, uint32_t at, struct es_find_area *ret)
{
    const struct es_find_node *node = &tree->nodes[at];
    struct es_find_area right = everywhere();
    int rc = 0;
    *ret = everywhere();
    switch (node->type) {
    case ES_FN_AND:
    case ES_FN_OR:
        rc = plan(query, tree, node->left, ret);
        if (rc == 0)
            rc = plan(query, tree, node->right, &right);
        if (rc < 0)
            es_find_area_fini(&right);
        else if (node->type == ES_FN_AND)
            meet(ret, &right);
        else
            rc = join(ret, &right);
        break;
    case ES_FN_NOT: break;
    case ES_FN_THERE: ret->kinds = kinds_of_field(&node->a); break;
    case ES_FN_COMPARE: rc = plan_compare(query, node, ret); break;
    case ES_FN_IN: rc = plan_list(query, node, ret); break;
    }
    sort_pids(ret);
    return rc;
}

/* The tree is as deep as a chain of conditions is long: nodes are at most ES_FIND_NODES. */
int es_find_plan(struct es_query *query, const struct es_find_tree *tree, struct es_find_area *ret_area)
{
    int rc = plan(query, tree, tree->root, ret_area);
    if (rc < 0) {
        es_find_area_fini(ret_area);
        return es_fail(rc, "no memory to look for it");
    }
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Finds replies and what shows that they were taken: walking a block from its end, the next act of each process is known. */
#include "query/replies.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

struct finding {
    struct es_index_part *part;
    struct es_replies *replies;
    uint32_t room;
    uint8_t *handled; /* of deliveries: a callback has it as its stored cause, so it is in nobody's hands before */
    uint16_t *taken;  /* of acts: index + 1 in `list`, */
    uint16_t *more;   /* and of each of these another one that the same act shows to be taken, 0: none */
};

void es_replies_free(struct es_replies *replies)
{
    if (!replies)
        return;
    free(replies->list);
    free(replies->by_act);
    free(replies->firsts);
    free(replies);
}

static bool is_reply(const struct es_index_part *part, uint32_t i)
{
    return part->kinds[i] == ES_K_DELIVER && part->flags[i] & ES_E_REPLY && es_index_part_is_own(part, i);
}

static void find(struct finding *f)
{
    const struct es_index_part *part = f->part;
    struct es_replies *replies = f->replies;
    uint32_t *next = replies->firsts;
    for (uint32_t k = 0; k < part->n_lists; k++)
        next[k] = part->n;
    for (uint32_t i = part->n; i-- > 0;) {
        uint32_t act = next[part->list[i]], back = part->back[i];
        if (is_reply(part, i)) {
            if (!f->handled[i] && (act == part->n || es_goes_on(part->kinds[act])))
                replies->list[replies->n++] = (struct es_reply){i, act == part->n ? ES_REPLY_OPEN : act};
        } else if (!es_says_nothing(part->kinds[i])) {
            next[part->list[i]] = i;
            if (back && back <= i && part->list[i] == part->list[i - back])
                f->handled[i - back] = 1;
        }
    }
}

/* In the order in which they were delivered, and in that of their acts. */
static void sort(struct finding *f)
{
    struct es_replies *replies = f->replies;
    for (uint32_t i = 0, k = replies->n; i + 1 < k; i++, k--) {
        struct es_reply reply = replies->list[i];
        replies->list[i] = replies->list[k - 1];
        replies->list[k - 1] = reply;
    }
    for (uint32_t k = replies->n; k-- > 0;) {
        uint32_t act = replies->list[k].act;
        if (act == ES_REPLY_OPEN)
            continue;
        f->more[k] = f->taken[act];
        f->taken[act] = (uint16_t)(k + 1);
    }
    for (uint32_t i = 0; i < f->part->n; i++)
        for (uint32_t k = f->taken[i]; k; k = f->more[k - 1])
            replies->by_act[replies->n_taken++] = replies->list[k - 1];
}

bool es_replies_make(struct es_index_part *part)
{
    struct finding f = {.part = part, .replies = calloc(1, sizeof *f.replies)};
    for (uint32_t i = 0; i < part->n; i++)
        f.room += is_reply(part, i);
    f.handled = calloc(part->n + 1, 1);
    f.taken = calloc(part->n + 1, sizeof *f.taken);
    f.more = calloc(f.room + 1, sizeof *f.more);
    if (f.replies) {
        f.replies->list = malloc((f.room + 1) * sizeof *f.replies->list);
        f.replies->by_act = malloc((f.room + 1) * sizeof *f.replies->by_act);
        f.replies->firsts = malloc((part->n_lists + 1) * sizeof *f.replies->firsts);
    }
    bool made =
        f.replies && f.handled && f.taken && f.more && f.replies->list && f.replies->by_act && f.replies->firsts;
    if (made) {
        find(&f);
        sort(&f);
        part->replies = f.replies;
        part->bytes += sizeof *f.replies + 2 * f.room * sizeof *f.replies->list + part->n_lists * sizeof(uint32_t);
    } else {
        es_replies_free(f.replies);
    }
    free(f.handled);
    free(f.taken);
    free(f.more);
    return made;
}

int es_replies_get(struct es_query *query, struct es_index_part *part, const struct es_replies **ret_replies)
{
    uint64_t before = part->bytes;
    if (!part->replies)
        es_replies_make(part);
    query->index->bytes += part->bytes - before;
    *ret_replies = part->replies;
    return part->replies ? 0 : es_fail(-ENOMEM, "no memory for replies");
}

/* ---- questions ----------------------------------------------------------------------------------------------------- */

static const struct es_reply *look_up(const struct es_reply *list, uint32_t n, uint32_t place, bool by_act)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((by_act ? list[middle].act : list[middle].delivery) < place)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && (by_act ? list[low].act : list[low].delivery) == place ? &list[low] : NULL;
}

const struct es_reply *es_replies_of(const struct es_replies *replies, uint32_t delivery)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): they were got */
    return look_up(replies->list, replies->n, delivery, false);
}

const struct es_reply *es_replies_by_act(const struct es_replies *replies, uint32_t act)
{
    return look_up(replies->by_act, replies->n_taken, act, true);
}

/* They are few, as most are taken at once. */
const struct es_reply *es_replies_open(const struct es_index_part *part, es_ref pid, uint32_t *from)
{
    const struct es_replies *replies = part->replies;
    while (*from < replies->n) {
        const struct es_reply *reply = &replies->list[(*from)++];
        if (reply->act == ES_REPLY_OPEN && part->lists[part->list[reply->delivery]].pid == pid)
            return reply;
    }
    return NULL;
}

int es_replies_first(struct es_query *query, size_t block, es_ref pid, uint64_t *ret_seq, bool *ret_goes_on)
{
    struct es_index_part *part = NULL;
    const struct es_replies *replies = NULL;
    *ret_seq = 0;
    *ret_goes_on = false;
    int rc = es_index_may_have(query, block, pid) ? es_index_part_get(query, block, &part) : -ENOENT;
    if (rc == 0)
        rc = es_replies_get(query, part, &replies);
    if (rc == -EBADMSG || rc == -ENOENT) { /* what is in it did nothing, as far as is known */
        es_error_clear();
        return 0;
    }
    if (rc < 0)
        return rc;
    const struct es_index_part_list *list = es_index_part_find(part, pid);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): they were got */
    uint32_t first = list ? replies->firsts[list - part->lists] : part->n;
    if (first < part->n) {
        *ret_seq = part->first + first;
        *ret_goes_on = es_goes_on(part->kinds[first]);
    }
    return 0;
}

int es_replies_taken(struct es_query *query, uint64_t delivery, uint64_t *ret_act)
{
    struct es_index_part *part = NULL;
    const struct es_replies *replies = NULL;
    size_t block = es_query_block_of(query, delivery);
    *ret_act = 0;
    int rc = es_index_part_get(query, block, &part);
    if (rc == 0)
        rc = es_replies_get(query, part, &replies);
    if (rc < 0)
        return rc;
    const struct es_reply *reply = es_replies_of(replies, (uint32_t)(delivery - part->first));
    if (!reply)
        return 0;
    if (reply->act != ES_REPLY_OPEN) {
        *ret_act = part->first + reply->act;
        return 0;
    }
    es_ref pid = part->lists[part->list[reply->delivery]].pid;
    bool goes_on = false;
    for (size_t k = block + 1; rc == 0 && *ret_act == 0 && k <= block + ES_REPLY_BEHIND && k < query->index->n_blocks;
         k++)
        rc = es_replies_first(query, k, pid, ret_act, &goes_on);
    if (!goes_on)
        *ret_act = 0;
    return rc;
}

/* SPDX-License-Identifier: MIT */
/* Messages that the emulator makes of an exit on another node; and references of calls, which each emulator numbers in its own way. */
#include <errno.h>

#include "base/error.h"
#include "query/merge_content.h"

/* ---- exits --------------------------------------------------------------------------------------------------------- */

/* The exit of this process (as in the result) in the recording where it is. */
static struct es_merge_rec *find_exit(struct es_merge *merge, es_ref pid, uint64_t *ret_seq)
{
    for (size_t k = 0; k < merge->n; k++) {
        struct es_merge_rec *rec = &merge->recs[k];
        const struct es_process *process =
            rec->number == es_ref_node(pid) ? es_merge_process(rec, es_ref_on_node(pid, 0)) : NULL;
        if (process && process->exit_seq) {
            *ret_seq = process->exit_seq;
            return rec;
        }
    }
    return NULL;
}

/* It has the same reason, and was before: a signal that somebody else made up, or a broken connection, has another. */
static int take_exit(struct es_merge *merge, struct es_cross *delivery)
{
    const struct es_event *exit;
    struct es_content reason;
    uint64_t seq;
    struct es_merge_rec *rec = find_exit(merge, delivery->to, &seq);
    if (!rec || es_query_stored(rec->query, seq, &exit) < 0 || exit->kind != ES_K_EXIT) {
        es_error_clear();
        return 0;
    }
    int64_t exited = es_clock_map(&rec->fit, exit->time);
    int rc = es_content_read(merge, rec, exit, &reason);
    int64_t slack = es_merge_slack(merge, delivery, rec->rec);
    if (rc < 0 || reason.hash == 0 || reason.hash != delivery->head ||
        exited > es_merge_later(es_merge_time(merge, delivery), slack))
        return rc;
    delivery->flags |= ES_X_EXIT;
    delivery->pair_seq = seq;
    delivery->pair_rec = (uint16_t)rec->rec;
    return 0;
}

/* ---- correlations -------------------------------------------------------------------------------------------------- */

static uint64_t number_of(const struct es_merge_rec *rec, uint64_t corr)
{
    const uint64_t *known = es_refmap_find(&rec->corrs, corr);
    return known ? *known : corr;
}

/* As the recording that was named first has it. */
static int join(struct es_merge *merge, const struct es_cross *send, const struct es_cross *delivery)
{
    bool sender_first = send->rec < delivery->rec;
    const struct es_cross *low = sender_first ? send : delivery, *high = sender_first ? delivery : send;
    if (!low->corr || !high->corr || low->rec == high->rec)
        return 0;
    uint64_t *place = es_refmap_place(&merge->recs[high->rec].corrs, high->corr);
    if (!place)
        return es_fail(-ENOMEM, "no memory for the calls between the nodes");
    *place = number_of(&merge->recs[low->rec], low->corr);
    return 0;
}

int es_merge_exits(struct es_merge *merge)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < merge->deliveries.n; i++) {
        struct es_cross *delivery = &merge->deliveries.list[i];
        if (delivery->pair_seq) {
            merge->recs[delivery->rec].to_paired++;
            rc = join(merge, &merge->sends.list[delivery->partner], delivery);
        } else if (delivery->flags & ES_X_SYSTEM && delivery->to) {
            rc = take_exit(merge, delivery);
        }
    }
    return rc;
}

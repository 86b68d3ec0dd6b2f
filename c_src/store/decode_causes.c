/* SPDX-License-Identifier: MIT */
/* What causality needs of a block, without its events. */
#include <errno.h>

#include "base/error.h"
#include "store/decode.h"

uint64_t es_block_cause_columns(void)
{
    return ES_COLUMN_BIT(ES_C_REFS) | ES_COLUMN_BIT(ES_C_COUNTS) | ES_COLUMN_BIT(ES_C_STEPS) |
           ES_COLUMN_BIT(ES_C_STEPS_HIGH) | ES_COLUMN_BIT(ES_C_KINDS) | ES_COLUMN_BIT(ES_C_FLAGS) |
           ES_COLUMN_BIT(ES_C_CAUSE_STATES) | ES_COLUMN_BIT(ES_C_CAUSES) | ES_COLUMN_BIT(ES_C_CAUSE_BITS) |
           ES_COLUMN_BIT(ES_C_CAUSE_RARE);
}

int es_block_decode_causes(struct es_decoder *d, const struct es_stored_block *stored, struct es_block_causes *ret)
{
    int r = es_decode_load(d, stored, es_block_cause_columns());
    if (r == 0)
        r = es_decode_order(d);
    if (r < 0)
        return r;
    memset(d->back, 0, d->n * sizeof *d->back);
    memset(d->cause_state, ES_CAUSE_NONE, d->n);
    r = es_decode_causes(d);
    if (r < 0)
        return r;
    *ret = (struct es_block_causes){.n_refs = d->n_refs,
                                    .refs = d->refs,
                                    .counts = d->counts,
                                    .first = 0,
                                    .n = d->n,
                                    .stored = d->n,
                                    .order = d->order,
                                    .owners = d->pid,
                                    .kinds = d->kind,
                                    .flags = d->flags,
                                    .states = d->cause_state,
                                    .back = d->back};
    return 0;
}

uint64_t es_block_strange_columns(void) { return ES_COLUMN_BIT(ES_C_KINDS) | ES_COLUMN_BIT(ES_C_CAUSE_STATES); }

int es_block_count_strange(struct es_decoder *d, const struct es_stored_block *stored, uint32_t *ret_n)
{
    int r = es_decode_load(d, stored, es_block_strange_columns());
    if (r < 0)
        return r;
    struct es_reader states = es_decode_reader(d, ES_C_CAUSE_STATES);
    struct es_raw kinds = d->column[ES_C_KINDS];
    uint32_t n = 0;
    for (size_t k = 0; k < kinds.len; k++) {
        if (kinds.bytes[k] >= ES_KIND_MAX)
            return es_fail(-EBADMSG, "an event has kind %u", kinds.bytes[k]);
        if (!(es_kind_table[kinds.bytes[k]].fields & ES_F_CAUSE))
            continue;
        bool strange = es_decode_u8(&states) > ES_CAUSE_EXTERNAL;
        n += strange && kinds.bytes[k] == ES_K_DELIVER;
    }
    *ret_n = n;
    return states.bad ? es_fail(-EBADMSG, "the causes of events are wrong") : 0;
}

/* Kinds are in order of process, so that the counts of those before say where they are. */
int es_block_decode_kinds(struct es_decoder *d, const struct es_stored_block *stored, es_ref pid, uint64_t *ret_kinds)
{
    int r = es_decode_refs(d, stored, ES_KINDS_COLUMNS);
    if (r < 0)
        return r;
    struct es_raw kinds = d->column[ES_C_KINDS];
    uint64_t found = 0;
    uint32_t at = 0, i = 0;
    for (; i < d->n_refs && d->refs[i] != pid; i++)
        at += d->counts[i];
    if (kinds.len != d->n)
        return es_fail(-EBADMSG, "the kinds of events are wrong");
    for (uint32_t end = i < d->n_refs ? at + d->counts[i] : at; at < end; at++)
        found |= kinds.bytes[at] < ES_KIND_MAX ? (uint64_t)1 << kinds.bytes[at] : 0;
    *ret_kinds = found;
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* What causality needs of a block, without its events. */
#include <errno.h>

#include "base/error.h"
#include "store/decode.h"
#include "store/gaps.h"

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

uint64_t es_block_crossing_columns(void)
{
    return ES_COLUMN_BIT(ES_C_COUNTS) | ES_COLUMN_BIT(ES_C_STEPS) | ES_COLUMN_BIT(ES_C_STEPS_HIGH) |
           ES_COLUMN_BIT(ES_C_KINDS) | ES_COLUMN_BIT(ES_C_CAUSE_STATES) | ES_COLUMN_BIT(ES_C_CAUSES) |
           ES_COLUMN_BIT(ES_C_CAUSE_BITS) | ES_COLUMN_BIT(ES_C_CAUSE_RARE);
}

struct crossing {
    struct es_block_part part;
    struct es_raw states, sizes, bits;
    struct es_reader rare;
    struct es_gap_class classes[ES_GAP_RARE];
    size_t at_state, at_size;
    uint64_t at_bit, whole_bits; /* up to whole_bits there are 64 behind each */
    uint32_t n;
};

static void begin_crossing(const struct es_decoder *d, struct crossing *c)
{
    c->states = d->column[ES_C_CAUSE_STATES];
    c->sizes = d->column[ES_C_CAUSES];
    c->bits = d->column[ES_C_CAUSE_BITS];
    c->rare = es_decode_reader(d, ES_C_CAUSE_RARE);
    c->whole_bits = c->bits.len < sizeof(uint64_t) ? 0 : (c->bits.len - sizeof(uint64_t) + 1) * 8;
    es_gap_classes(c->classes);
}

static uint64_t next_back(struct crossing *c)
{
    unsigned size = c->sizes.bytes[c->at_size++];
    if (size == ES_GAP_RARE)
        return (uint64_t)es_unzigzag(es_reader_varint(&c->rare));
    const struct es_gap_class *class = &c->classes[size];
    uint64_t window = c->at_bit < c->whole_bits ? es_get_le64(c->bits.bytes + c->at_bit / 8) >> (c->at_bit & 7)
                                                : es_gap_last_bits(c->bits.bytes, c->bits.len, c->at_bit);
    c->at_bit += class->low;
    return class->base + (window & class->mask);
}

/* The cause of an event, that has one. */
static inline bool take_crossing(struct es_decoder *d, struct crossing *c, uint32_t place, uint8_t kind)
{
    if (c->at_state == c->states.len)
        return false;
    uint8_t state = c->states.bytes[c->at_state++];
    if (state != ES_CAUSE_PAIRED)
        return state < ES_CAUSE_MAX;
    if (c->at_size == c->sizes.len)
        return false;
    uint64_t back = next_back(c);
    if (place >= d->n || back == 0 || back >= d->info->first_seq + place)
        return false;
    if (place < c->part.first || place - c->part.first >= c->part.n || back <= place - c->part.first)
        return true;
    d->order[c->n] = place;
    d->kind[c->n] = kind;
    d->back[c->n++] = back;
    return true;
}

/* Nothing is written of an event but where its cause is outside: that is why this is three times as fast as all causes. */
static bool take_crossings(struct es_decoder *d, struct crossing *c)
{
    struct es_raw low = d->column[ES_C_STEPS], high = d->column[ES_C_STEPS_HIGH], kinds = d->column[ES_C_KINDS];
    struct es_reader counts = es_decode_reader(d, ES_C_COUNTS);
    uint64_t caused = 0;
    uint32_t k = 0;
    bool whole = low.len == d->n && high.len == d->n && kinds.len == d->n;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        caused |= (uint64_t)(es_kind_table[kind].fields & ES_F_CAUSE ? 1 : 0) << kind;
    while (whole && es_reader_left(&counts)) {
        uint64_t count = es_decode_varint(&counts);
        uint32_t place = 0, end = k + (uint32_t)count;
        whole = !counts.bad && count <= d->n - k;
        for (; whole && k < end; k++) {
            place += es_decode_step(low.bytes[k], high.bytes[k]);
            whole = kinds.bytes[k] < ES_KIND_MAX;
            if (caused >> (kinds.bytes[k] & 63) & 1)
                whole = whole && take_crossing(d, c, place, kinds.bytes[k]);
        }
    }
    return whole && k == d->n && c->at_bit <= (uint64_t)c->bits.len * 8 && !c->rare.bad;
}

int es_block_decode_crossing(struct es_decoder *d, const struct es_stored_block *stored, struct es_block_part part,
                             struct es_block_crossing *ret)
{
    int r = es_decode_load(d, stored, es_block_crossing_columns());
    if (r == 0)
        r = es_decode_arrays(d);
    if (r < 0)
        return r;
    struct crossing c = {.part = part};
    begin_crossing(d, &c);
    if (!take_crossings(d, &c))
        return es_fail(-EBADMSG, "the causes of events are wrong");
    *ret = (struct es_block_crossing){c.n, part.first, d->order, d->back, d->kind};
    return 0;
}

uint64_t es_block_strange_columns(void) { return ES_COLUMN_BIT(ES_C_KINDS) | ES_COLUMN_BIT(ES_C_CAUSE_STATES); }

int es_block_count_strange(struct es_decoder *d, const struct es_stored_block *stored, uint32_t *ret_n)
{
    int r = es_decode_load(d, stored, es_block_strange_columns());
    if (r < 0)
        return r;
    struct es_reader states = es_decode_reader(d, ES_C_CAUSE_STATES);
    struct es_raw kinds = d->column[ES_C_KINDS], all = d->column[ES_C_CAUSE_STATES];
    uint32_t n = 0;
    unsigned strangest = 0;
    for (size_t k = 0; k < all.len; k++)
        strangest = all.bytes[k] > strangest ? all.bytes[k] : strangest;
    if (strangest <= ES_CAUSE_EXTERNAL) { /* as in most blocks */
        *ret_n = 0;
        return 0;
    }
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

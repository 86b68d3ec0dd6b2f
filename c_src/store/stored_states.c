/* SPDX-License-Identifier: MIT */
/* States of a stored block; see stored_states.h. A checksum can be right and the content still hostile. */
#include "store/stored_states.h"

#include <errno.h>

#include "base/error.h"
#include "store/decode.h"

static int wrong(void) { return es_fail(-EBADMSG, "the versions of states are wrong"); }

/* ---- processes ----------------------------------------------------------------------------------------------------- */

static int add_owner(const struct es_decoder *d, struct es_reader *r, uint32_t *number, struct es_state_owner *owner)
{
    uint64_t step = es_decode_varint(r), n = es_decode_varint(r);
    uint64_t ref = *number + step;
    uint64_t states = d->info->kinds[ES_K_STATE];
    if (r->bad || step > d->n_refs || ref >= d->n_refs || n == 0 || owner->first > states || n > states - owner->first)
        return wrong();
    *number = (uint32_t)ref;
    owner->pid = d->refs[ref];
    owner->n = (uint32_t)n;
    return 0;
}

int es_owners_decode(struct es_decoder *d, const struct es_stored_block *stored, struct es_owners *ret_owners)
{
    int r = es_decode_refs(d, stored, ES_STATES_OWNERS);
    if (r < 0)
        return r;
    struct es_reader at = es_decode_reader(d, ES_C_OWNERS);
    size_t room = es_reader_left(&at) / 2;
    struct es_owners owners = {malloc((room + 1) * sizeof *owners.owners), 0};
    if (!owners.owners)
        return es_fail(-ENOMEM, "no memory for states");
    uint32_t number = 0, first = 0;
    while (r == 0 && es_reader_left(&at)) {
        struct es_state_owner *owner = &owners.owners[owners.n];
        owner->first = first;
        uint32_t before = number;
        r = owners.n == room ? wrong() : add_owner(d, &at, &number, owner);
        if (r == 0 && owners.n > 0 && number == before)
            r = wrong();
        first += r == 0 ? owner->n : 0;
        owners.n++;
    }
    if (r == 0 && first != d->info->kinds[ES_K_STATE])
        r = wrong();
    if (r < 0) {
        free(owners.owners);
        return r;
    }
    *ret_owners = owners;
    return 0;
}

/* ---- versions ------------------------------------------------------------------------------------------------------ */

int es_sizes_next(struct es_sizes *s, struct es_size *ret_size)
{
    struct es_size size = {.version = es_decode_u8(&s->versions)};
    unsigned form = size.version & 3;
    if (form != ES_VERSION_NONE)
        size.len = es_decode_varint(&s->sizes);
    if (form == ES_VERSION_WHOLE) {
        s->full = size.len;
    } else if (form >= ES_VERSION_PATCH && s->full == ES_NO_SIZE) { /* the process's first: of another's */
        s->full = es_decode_varint(&s->sizes);
        size.lender = es_unzigzag(es_decode_varint(&s->sizes));
        if (size.lender == 0)
            return wrong();
    } else if (form == ES_VERSION_SPLICE) {
        s->full += (uint64_t)es_unzigzag(es_decode_varint(&s->sizes));
    }
    size.full = form == ES_VERSION_NONE ? 0 : s->full;
    if (s->versions.bad || s->sizes.bad || size.len > ES_BLOCK_PAYLOAD || size.full > ES_BLOCK_PAYLOAD)
        return wrong();
    *ret_size = size;
    return 0;
}

struct row_reader {
    struct es_sizes sizes;
    struct es_reader places, hashes;
    uint64_t at;
    int64_t lender; /* of the row read last, as in struct es_size */
};

static int read_row(struct row_reader *r, const struct es_state_row *before, uint32_t events, struct es_state_row *row)
{
    struct es_size size;
    if (es_sizes_next(&r->sizes, &size) < 0)
        return -EBADMSG;
    r->lender = size.lender;
    unsigned form = size.version & 3, given = size.version >> 2 & 3;
    uint64_t event = (before ? before->event : 0) + es_decode_varint(&r->places);
    uint64_t hash = given == ES_GIVEN_BYTES                 ? es_reader_le64(&r->hashes)
                    : given == ES_GIVEN_PREDICTED && before ? before->hash
                                                            : 0;
    if (r->places.bad || r->hashes.bad || given > ES_GIVEN_BYTES || event >= events ||
        (before && event <= before->event) || r->at + size.len > ES_BLOCK_PAYLOAD)
        return wrong();
    *row = (struct es_state_row){.hash = hash,
                                 .event = (uint32_t)event,
                                 .at = (uint32_t)r->at,
                                 .len = (uint32_t)size.len,
                                 .full = (uint32_t)size.full,
                                 .lender = ES_NO_VERSION,
                                 .form = (uint8_t)form,
                                 .flags = (uint8_t)es_state_flags_unpack(size.version >> 4)};
    r->at += size.len;
    return 0;
}

static int read_rows(struct es_decoder *d, const struct es_owners *owners, struct es_stored_states *s)
{
    struct row_reader r = {.sizes = {es_decode_reader(d, ES_C_VERSIONS), es_decode_reader(d, ES_C_SIZES), 0},
                           .places = es_decode_reader(d, ES_C_PLACES),
                           .hashes = es_decode_reader(d, ES_C_STATE_HASHES)};
    uint64_t borrowed = 0;
    memset(s->of_event, 0xff, s->events * sizeof *s->of_event);
    for (uint32_t o = 0; o < owners->n; o++) {
        const struct es_state_owner *owner = &owners->owners[o];
        r.sizes.full = ES_NO_SIZE;
        for (uint32_t i = owner->first; i < owner->first + owner->n; i++) {
            int result = read_row(&r, i > owner->first ? &s->rows[i - 1] : NULL, s->events, &s->rows[i]);
            if (result < 0 || s->of_event[s->rows[i].event] != ES_NO_VERSION || r.lender < -(int64_t)i ||
                r.lender >= (int64_t)s->n - (int64_t)i)
                return wrong();
            s->rows[i].lender = r.lender ? (uint32_t)(i + r.lender) : ES_NO_VERSION;
            borrowed += r.lender ? s->rows[i].full : 0;
            s->of_event[s->rows[i].event] = i;
        }
    }
    return r.at == s->chunk_at[ES_CHUNKS] && borrowed <= ES_CHAIN_BORROWED ? 0 : wrong();
}

/* Chunks come one after the other, without holes. */
int es_stored_states_chunks(const struct es_stored_block *stored, uint32_t ret_at[ES_CHUNKS + 1])
{
    uint64_t at = 0;
    for (unsigned i = 0; i < ES_CHUNKS; i++) {
        uint32_t len = stored->column[ES_C_CHUNKS + i].raw_len;
        ret_at[i] = (uint32_t)at;
        at += len;
        if (at > ES_BLOCK_PAYLOAD)
            return wrong();
    }
    ret_at[ES_CHUNKS] = (uint32_t)at;
    return 0;
}

int es_stored_states_decode(struct es_decoder *d, const struct es_stored_block *stored, const struct es_owners *owners,
                            struct es_stored_states *ret_states)
{
    struct es_stored_states s = {.n = (uint32_t)stored->info.kinds[ES_K_STATE], .events = stored->info.events};
    int r = es_decode_load(d, stored, ES_STATES_ROWS);
    if (r == 0)
        r = es_stored_states_chunks(stored, s.chunk_at);
    if (r == 0 && d->column[ES_C_VERSIONS].len != s.n)
        r = wrong();
    if (r < 0)
        return r;
    s.rows = malloc((s.n + 1) * sizeof *s.rows);
    s.of_event = malloc((s.events + 1) * sizeof *s.of_event);
    r = s.rows && s.of_event ? read_rows(d, owners, &s) : es_fail(-ENOMEM, "no memory for states");
    if (r < 0) {
        es_stored_states_fini(&s);
        return r;
    }
    *ret_states = s;
    return 0;
}

void es_stored_states_fini(struct es_stored_states *s)
{
    free(s->rows);
    free(s->of_event);
    *s = (struct es_stored_states){0};
}

/* ---- bytes --------------------------------------------------------------------------------------------------------- */

static unsigned chunk_of(const struct es_stored_states *s, uint32_t row)
{
    unsigned chunk = 0;
    while (chunk < ES_CHUNKS - 1 && s->chunk_at[chunk + 1] <= s->rows[row].at)
        chunk++;
    return chunk;
}

/* Rows of other processes are not met: their first version is a whole one or borrows, else its size would have been refused. */
int es_stored_states_chain(const struct es_stored_states *s, uint32_t row, struct es_chain *ret_chain)
{
    uint32_t first = row;
    if (s->rows[row].form == ES_VERSION_NONE)
        return wrong();
    for (unsigned patches = 0; s->rows[first].form != ES_VERSION_WHOLE && s->rows[first].lender == ES_NO_VERSION;
         first--) {
        patches += s->rows[first].form != ES_VERSION_NONE;
        if (first == 0 || patches > ES_CHAIN_PATCHES)
            return wrong();
    }
    uint32_t lender = s->rows[first].lender;
    if (lender != ES_NO_VERSION && s->rows[lender].form != ES_VERSION_WHOLE)
        return wrong();
    *ret_chain =
        (struct es_chain){first, lender, chunk_of(s, first), chunk_of(s, lender == ES_NO_VERSION ? first : lender)};
    return 0;
}

int es_stored_states_chunk(struct es_decoder *d, const struct es_stored_block *stored, unsigned chunk,
                           struct es_buf *ret_bytes)
{
    unsigned id = ES_C_CHUNKS + chunk;
    int r = es_decode_load(d, stored, (uint64_t)1 << id);
    if (r < 0)
        return r;
    ret_bytes->len = 0;
    if (d->column[id].bytes != d->memory[id].bytes) /* as it was stored */
        return es_buf_add(ret_bytes, d->column[id].bytes, d->column[id].len) < 0
                   ? es_fail(-ENOMEM, "no memory for states")
                   : 0;
    struct es_buf memory = d->memory[id];
    memory.len = d->column[id].len;
    d->memory[id] = *ret_bytes;
    *ret_bytes = memory;
    return 0;
}

int es_unfold(struct es_unfold *u, const struct es_chunk *chunk, const struct es_state_row *row)
{
    if (row->form == ES_VERSION_NONE)
        return 0;
    if (row->at < chunk->at || row->at > chunk->end || row->len > chunk->end - row->at)
        return wrong();
    struct es_span bytes = {chunk->bytes + (row->at - chunk->at), row->len};
    if (row->form == ES_VERSION_WHOLE) {
        u->bytes.len = 0;
        u->spliced = 0;
        return es_buf_add(&u->bytes, bytes.bytes, bytes.len) < 0 ? es_fail(-ENOMEM, "no memory for a state") : 0;
    }
    if (row->form == ES_VERSION_PATCH)
        return row->full != u->bytes.len || es_patch_apply(bytes, u->bytes.bytes, u->bytes.len) < 0 ? wrong() : 0;
    u->spliced += row->full;
    if (u->spliced > ES_CHAIN_SPLICED)
        return wrong();
    u->other.len = 0;
    if (es_buf_reserve(&u->other, row->full + 1) < 0)
        return es_fail(-ENOMEM, "no memory for a state");
    if (es_patch_splice(bytes, (struct es_span){u->bytes.bytes, u->bytes.len}, u->other.bytes, row->full) < 0)
        return wrong();
    struct es_buf made = u->other;
    made.len = row->full;
    u->other = u->bytes;
    u->bytes = made;
    return 0;
}

static bool goes_on(const struct es_unfold *u, const struct es_stored_states *states, const struct es_chain *chain,
                    uint32_t row)
{
    return u->states == states && u->row >= chain->first && u->row <= row;
}

bool es_unfold_borrows(const struct es_unfold *u, const struct es_stored_states *states, uint32_t row)
{
    struct es_chain chain;
    if (es_stored_states_chain(states, row, &chain) < 0) {
        es_error_clear();
        return false;
    }
    return chain.lender != ES_NO_VERSION && !goes_on(u, states, &chain, row);
}

int es_unfold_lend(struct es_unfold *u, const struct es_stored_states *states, const struct es_chunk *chunk,
                   uint32_t lender)
{
    u->states = NULL;
    int r = es_unfold(u, chunk, &states->rows[lender]);
    if (r < 0)
        return r;
    u->states = states;
    u->row = lender;
    return 0;
}

int es_unfold_to(struct es_unfold *u, const struct es_stored_states *states, const struct es_chunk *chunk, uint32_t row)
{
    struct es_chain chain = {0};
    int r = es_stored_states_chain(states, row, &chain);
    if (r < 0)
        return r;
    uint32_t next = goes_on(u, states, &chain, row) ? u->row + 1 : chain.first;
    if (next == chain.first && chain.lender != ES_NO_VERSION && (u->states != states || u->row != chain.lender))
        return wrong(); /* what it borrows was not lent */
    u->states = NULL;
    for (; r == 0 && next <= row; next++)
        r = es_unfold(u, chunk, &states->rows[next]);
    if (r < 0)
        return r;
    u->states = states;
    u->row = row;
    return 0;
}

void es_unfold_fini(struct es_unfold *u)
{
    es_buf_fini(&u->bytes);
    es_buf_fini(&u->other);
}
